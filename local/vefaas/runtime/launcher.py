"""Start instances: what their processes are given, and where their lines go."""

from collections.abc import Callable
from pathlib import Path

from local.vefaas.runtime.function import FunctionSpec
from local.vefaas.runtime.instance import Instance
from local.vefaas.runtime.role import CREDENTIAL_FILE_VARIABLE, RoleFiles

LogSink = Callable[[str, str], None]

# All that a worker gets beside its own settings: nothing of this process's environment.
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - the platform's only writable folder
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
}


class Launcher:
    """Starts instances whose lines are appended to `<logs>/<function>.log` and given to `on_log`.

    With `roles`, an instance finds its function's credential file as it starts.
    """

    def __init__(
        self, logs: Path, roles: RoleFiles | None, python: str, on_log: LogSink | None
    ) -> None:
        self._logs = logs
        self._roles = roles
        self._python = python
        self._on_log = on_log
        logs.mkdir(parents=True, exist_ok=True)

    def log_path(self, name: str) -> Path:
        """Return where a function's lines are."""
        return self._logs / f"{name}.log"

    def start(self, spec: FunctionSpec) -> Instance:
        """Start one instance of a function; raises OSError where it cannot."""
        environment = dict(_ENVIRONMENT)
        if self._roles and spec.role is not None:
            # Before the process: index.py may read the file as it is imported.
            file = self._roles.add(spec.name, spec.role or spec.name)
            environment[CREDENTIAL_FILE_VARIABLE] = str(file.absolute())
        environment |= spec.environment
        environment["_FAAS_FUNC_ID"] = spec.id
        environment["_FAAS_FUNC_TIMEOUT"] = f"{spec.timeout_seconds:g}"
        path = self.log_path(spec.name)

        def log(line: str) -> None:
            # One write of a whole line, appended: instances do not mix theirs.
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            if self._on_log:
                self._on_log(spec.name, line)

        python = spec.python or (self._python,)
        return Instance(spec.folder, environment, python=python, on_line=log)
