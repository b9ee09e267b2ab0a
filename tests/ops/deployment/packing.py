"""A small project to pack, with wheels made up: uv finds them in a folder, without network."""

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ops.deployment.package.dependencies import run_uv
from ops.deployment.serverless_yml.service import Function, Service

ROLE = "trn:iam::1:role/repaint"
NAMES = ("upload", "http", "sweep")


def service(root: Path, runtime: str, *, patterns: Iterable[str] = ()) -> Service:
    """Return a service whose functions lie in `root` as this project's do."""
    functions = (
        Function(
            name=name,
            deployed_name=f"repaint-dev-{name}",
            handler=f"functions/{name}/index.handler",
            folder=Path("functions") / name,
            runtime=runtime,
            memory_mb=512,
            timeout_seconds=120,
            max_concurrency=10,
            environment={},
            secrets=frozenset(),
            role=ROLE,
            logs=None,
            events=(),
        )
        for name in NAMES
    )
    return Service(
        path=root / "serverless.yml",
        name="repaint",
        stage="dev",
        region="cn-beijing",
        functions=tuple(functions),
        package_patterns=tuple(patterns),
    )


def project(root: Path, *, requirements: str = "one==1.0", constraints: str = "one==1.0") -> Path:
    """Write a project with the function `upload`; return `root`."""
    write(
        root,
        {
            "functions/upload/index.py": "import one\n",
            "shared/processing/output_names.py": "NAME = 'x'\n",
            "requirements.txt": requirements + "\n",
            "constraints.txt": constraints + "\n",
        },
    )
    return root


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    requires: Iterable[str] = (),
    files: Mapping[str, bytes] | None = None,
) -> Path:
    """Write a wheel of one module, or of `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    contents = {
        **(files or {f"{name}.py": b"VALUE = 1\n"}),
        f"{info}/METADATA": "\n".join(lines).encode() + b"\n\nIt does this and that.\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{inner},,\n" for inner in [*contents, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, content in {**contents, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(inner, content)
    return path


def pip_finds(folder: Path) -> dict[str, str]:
    """Return pip's variables with which packages come from `folder` alone."""
    return {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


class FolderUv:
    """uv with the wheels of a folder; keeps its calls."""

    def __init__(self, wheels: Path) -> None:
        self.calls: list[Sequence[str]] = []
        self._environment = {**os.environ, **pip_finds(wheels)}

    def __call__(self, arguments: Sequence[str]) -> str:
        self.calls.append(arguments)
        return run_uv(arguments, environment=self._environment)
