"""The commands, with only the packages installed that they declare."""

import subprocess
import sys
import tomllib

from tests.ops.command import ROOT, environment

_EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
_WITHOUT = """
import sys

sys.modules.update(dict.fromkeys(sys.argv.pop().split(), None))
from ops.cli import main

main()
"""


def test_without_local_packages() -> None:
    """The commands start without the packages that only the local cloud needs."""
    missing = [pin.partition("==")[0] for pin in _EXTRAS["local"] if pin not in _EXTRAS["ops"]]
    assert "starlette" in missing

    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, "--help", " ".join(missing)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert "backfill" in done.stdout
