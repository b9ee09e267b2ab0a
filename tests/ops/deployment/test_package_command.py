"""`repaint package`, run as a user runs it; pip finds its wheels in a folder."""

import hashlib
from pathlib import Path

import pytest

from ops.deployment.commands import _print_built
from ops.deployment.package import Built
from tests.ops.command import document, repaint
from tests.ops.deployment.packing import pip_finds, project, wheel, write

SERVERLESS = """
service: repaint
provider:
  name: volcengine
  region: cn-beijing
  runtime: python3.12/v1
  environment:
    VEIMAGEX_SERVICE_ID: service
    VEIMAGEX_DOMAIN: img.example.com
    VEIMAGEX_TEMPLATE: tplv-service-x.image
    REPAINT_LEDGER: tos://state/ledger/
functions:
  upload:
    handler: functions/upload/index.handler
    events:
      - tos: {bucket: photos, prefix: uploads/}
  sweep:
    handler: functions/sweep/index.handler
    events:
      - schedule: rate(1 minute)
package:
  patterns: [presets.json]
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(
        project(tmp_path),
        {
            "functions/sweep/index.py": "",
            "presets.json": "[]",
            "serverless.yml": SERVERLESS,
        },
    )
    wheel(tmp_path / "published", "one")
    return tmp_path


def test_each_function_is_packed_and_told_of(root: Path) -> None:
    done = repaint("package", "--json", folder=root, settings=pip_finds(root / "published"))

    assert 0 == done.returncode, done.stderr
    functions = document(done)["functions"]
    assert ["upload", "sweep"] == [each["function"] for each in functions]
    for each in functions:
        content = (root / each["path"]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            each["size"],
            each["sha256"],
        )


def test_one_function_is_packed_where_it_is_asked_for_and_pip_is_not_asked_twice(
    root: Path,
) -> None:
    first = repaint(
        "package", "--function", "upload", folder=root, settings=pip_finds(root / "published")
    )
    again = repaint("package", "--output", "out", folder=root, settings=pip_finds(root / "none"))

    assert (0, 0) == (first.returncode, again.returncode), again.stderr
    (packed,) = (root / ".repaint" / "package").iterdir()
    content = (root / "out" / "upload.zip").read_bytes()
    assert ("upload.zip", content) == (packed.name, packed.read_bytes())
    assert "upload  out/upload.zip\n" in again.stdout
    assert f"  sha256 {hashlib.sha256(content).hexdigest()}\n" in again.stdout


def test_packing_needs_none_of_the_functions_settings(root: Path) -> None:
    text = SERVERLESS.replace("img.example.com", "${env:NOT_EXPORTED}")
    (root / "serverless.yml").write_text(text, "utf-8")

    done = repaint("package", folder=root, settings=pip_finds(root / "published"))

    assert 0 == done.returncode, done.stderr


def test_what_cannot_be_got_needs_you(root: Path) -> None:
    done = repaint("package", folder=root, settings=pip_finds(root / "none"))

    assert (1, "") == (done.returncode, done.stdout)
    assert "uv could not get the packages" in done.stderr
    assert "Failed to read `--find-links`" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--function", "uplaod"], "serverless.yml has no function 'uplaod'"),
        (["--config", "none.yml"], "There is no none.yml"),
        (["--python", "none"], "--python none is not a python3.12"),
    ],
)
def test_what_was_asked_wrongly_is_told(root: Path, arguments: list[str], told: str) -> None:
    done = repaint("package", *arguments, folder=root)

    assert (2, "") == (done.returncode, done.stdout)
    assert told in done.stderr


@pytest.mark.parametrize(
    ("compiled_by", "told"),
    [
        ("3.12.1", "compiled by Python 3.12.1"),
        (None, "not compiled: no python3.12 was found, so a cold start takes up to half a second"),
    ],
)
def test_whether_it_is_compiled_is_told(
    compiled_by: str | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _print_built(Built("upload", "python3.12/v1", Path("a.zip"), 1, 2, "0", compiled_by, {}))

    assert told in capsys.readouterr().out
