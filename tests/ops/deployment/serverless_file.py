"""A small serverless.yml that is right, and what mistakes make of it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from ops.deployment.serverless_yml import ServerlessError, Service, load

HERE = "# here"
"""Marks the line that a mistake has to be told at."""
RIGHT = """\
service: shop
provider:
  name: volcengine
  environment:
    VEIMAGEX_SERVICE_ID: svc
    VEIMAGEX_DOMAIN: img.example.com
    VEIMAGEX_TEMPLATE: tplv-svc-x.image
    REPAINT_LEDGER: tos://shop-state/ledger/
functions:
  upload:
    handler: functions/upload/index.handler
    events:
      - tos:
          bucket: photos
          prefix: uploads/
"""

EXPORTED = {
    "VEIMAGEX_SERVICE_ID": "svc",
    "VEIMAGEX_DOMAIN": "img.example.com",
    "VEIMAGEX_TEMPLATE": "tplv-svc-x.image",
    "REPAINT_HTTP_TOKENS": "a-token-that-nobody-guesses",
}
"""What the project's own serverless.yml asks of the environment."""


def changed(old: str, new: str) -> str:
    """Return the file with something else in one place."""
    assert RIGHT.count(old) == 1, f"{old!r} is there {RIGHT.count(old)} times"
    return RIGHT.replace(old, new)


def with_setting(line: str) -> str:
    """Return the file with one more line in the provider's environment."""
    return changed("    REPAINT_LEDGER", f"    {line}\n    REPAINT_LEDGER")


def read(
    folder: Path,
    text: str = RIGHT,
    *,
    environment: Mapping[str, str] | None = None,
    stage: str | None = None,
    with_settings: bool = True,
) -> Service:
    """Read a file of that text in `folder`, where the code of the functions is as well."""
    for name in ("upload", "http", "sweep"):
        code = folder / "functions" / name / "index.py"
        code.parent.mkdir(parents=True, exist_ok=True)
        code.touch()
    path = folder / "serverless.yml"
    path.write_text(text, "utf-8")
    return load(path, environment=environment or {}, stage=stage, with_settings=with_settings)


def mistakes(
    folder: Path,
    text: str,
    *,
    environment: Mapping[str, str] | None = None,
    stage: str | None = None,
) -> list[str]:
    """Return what is told of a file that is wrong, each as `line: sentence`."""
    with pytest.raises(ServerlessError) as told:
        read(folder, text, environment=environment, stage=stage)
    return [problem.removeprefix(f"{folder}/serverless.yml:") for problem in told.value.problems]


def line_of_mark(text: str) -> int:
    """Return the number of the line with the mark."""
    return 1 + next(number for number, line in enumerate(text.splitlines()) if HERE in line)
