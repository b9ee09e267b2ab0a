"""What a zip is made for: the runtime's Python, on linux/amd64."""

import re
from dataclasses import dataclass

from ops.ui.output import Refused

# Wheels that run there, the least demanding first: 2.28 is the C library of Debian 10, and which
# later Debian the runtimes are built on is not documented.
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")
_RUNTIME = re.compile(r"python3\.(\d+)(?:/v\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Target:
    """CPython 3.`minor` on linux/amd64."""

    minor: int

    def __str__(self) -> str:
        """Say it as its command is called: `python3.12`."""
        return f"python{self.version}"

    @property
    def version(self) -> str:
        """The language's version: `3.12`."""
        return f"3.{self.minor}"

    @property
    def abi(self) -> str:
        """What a wheel's name calls it: `cp312`."""
        return f"cp3{self.minor}"

    @property
    def cache_tag(self) -> str:
        """What compiled files' names call it: `cpython-312`."""
        return f"cpython-3{self.minor}"

    def markers(self) -> dict[str, str]:
        """Return what a requirement's conditions (`; python_version < "3.11"`) are held against."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{self.version}.0",
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{self.version}.0",
            "python_version": self.version,
            "sys_platform": "linux",
        }


def target_of(runtime: str) -> Target:
    """Read a runtime's name, such as `python3.12/v1`. Raises Refused for anything but Python 3."""
    found = _RUNTIME.fullmatch(runtime)
    if found is None:
        raise Refused(f"runtime {runtime!r} is no Python: write python3.12/v1.")
    return Target(int(found[1]))
