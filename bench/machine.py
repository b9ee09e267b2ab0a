"""The machine that the figures come from."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """Describe this machine and its Python in one line."""
    return (
        f"{os.cpu_count()} × {_processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
