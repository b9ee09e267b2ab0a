"""What goes into a zip, and what stays out."""

from pathlib import Path

import pytest

from ops.deployment.package.bytecode import python_version
from ops.deployment.package.contents import code, is_used, merged
from ops.ui.output import Refused
from tests.ops.deployment.packing import project, write


@pytest.mark.parametrize(
    "name",
    [
        "structlog/testing.py",
        "certifi/cacert.pem",
        "pydantic_core/_pydantic_core.cpython-312-x86_64-linux-gnu.so",
        "six-1.17.0.dist-info/METADATA",
        "six-1.17.0.dist-info/LICENSE",
        "structlog-26.1.0.dist-info/licenses/NOTICE",
        "python_dateutil-4.0.0.dist-info/licenses/AUTHORS.md",
    ],
)
def test_what_runs_and_its_licence_go_in(name: str) -> None:
    assert is_used(name)


@pytest.mark.parametrize(
    "name",
    [
        "certifi/tests/test_certify.py",
        "pydantic_core/_pydantic_core.pyi",
        "pydantic/py.typed",
        "a/_speedups.c",
        "a/__pycache__/b.cpython-312.pyc",
        "six-1.17.0.dist-info/RECORD",
        "pydantic_core-2.50.4.dist-info/sboms/pydantic-core.cyclonedx.json",
        "pydantic/v1/main.py",
        "tzdata/zoneinfo/Asia/Shanghai",
        "tzdata-2026.6.dist-info/METADATA",
    ],
)
def test_what_no_function_needs_stays_out(name: str) -> None:
    assert not is_used(name)


def test_what_is_in_the_functions_folder_lies_at_the_root_and_shared_beside_it(
    tmp_path: Path,
) -> None:
    project(tmp_path)
    write(
        tmp_path,
        {
            "functions/upload/helper.py": "",
            "functions/upload/words.txt": "",
            "functions/upload/.env": "VOLCENGINE_SECRET_KEY=1",
            "functions/http/index.py": "",
            "shared/http_api/app.py": "",
            "shared/clients/credentials.py": "secret_access_key = find()",
            "shared/__pycache__/names.py": "",
            "shared/tests/test_names.py": "",
            "shared/.ipynb_checkpoints/names.py": "",
        },
    )

    files = merged(code(tmp_path, Path("functions/upload")))

    assert {
        "index.py",
        "helper.py",
        "words.txt",
        "shared/processing/output_names.py",
        "shared/clients/credentials.py",
        "shared/http_api/app.py",
    } == files.keys()


@pytest.mark.parametrize(
    ("name", "text"), [("credentials.json", ""), ("a.json", '{"secret_key": "hunter2"}')]
)
def test_a_secret_beside_the_code_is_refused(tmp_path: Path, name: str, text: str) -> None:
    write(project(tmp_path), {f"functions/upload/{name}": text})

    with pytest.raises(Refused, match=rf"{name} does not ship") as refused:
        code(tmp_path, Path("functions/upload"))

    assert "hunter2" not in str(refused.value)


def test_a_function_without_index_py_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"functions/upload/index\.py is missing"):
        code(tmp_path, Path("functions/upload"))


def test_two_files_of_one_name_are_told_with_where_they_come_from() -> None:
    with pytest.raises(
        Refused, match=r"six\.py .* twice: from six-1\.17 and from package\.patterns"
    ):
        merged({"six-1.17": {"six.py": b""}, "package.patterns": {"six.py": b""}})


def test_a_runtime_is_read_from_its_name() -> None:
    assert "3.12" == python_version("python3.12/v1")


@pytest.mark.parametrize("runtime", ["nodejs20/v1", "python2.7/v1", "python3.12/v1 ", "python"])
def test_another_runtime_is_refused(runtime: str) -> None:
    with pytest.raises(Refused, match=r"use python3\.12/v1"):
        python_version(runtime)
