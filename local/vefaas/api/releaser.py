"""Carry out releases: unpack the code, check that it starts, run it.

If the process dies after a step:

```
1. the release and its revision are stored        the next start carries the release out again
2. the code is unpacked into a folder of its own  the same; the folder is made anew
3. an instance is tried out                       the same
4. the platform runs the new code                 the same: its instances died with the process
5. the release is done, the revision is live      the next start runs it
```

Steps 4 and 5 in this order: when a release is done, its code runs.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from local.vefaas.api import interpreters
from local.vefaas.api.store import (
    DONE,
    FAILED,
    FunctionRecord,
    ReleaseRecord,
    RevisionRecord,
    Store,
)
from local.vefaas.api.zips import ZipStore
from local.vefaas.runtime import FunctionSpec, Platform
from local.vefaas.runtime.instance import Instance, InstanceError
from local.vefaas.runtime.threads import Threads
from shared.clock import Clock

_DONE = "Function release finished successfully"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ControlPlaneSettings:
    """The undocumented parts of the platform, and failures on demand. Times are in seconds.

    A release takes `release_seconds` and the time to start an instance. It fails with the message
    that `failures` holds for the function's name, or for `*`. `runtimes` maps runtimes
    (`python3.12/v1`) to the interpreters that run them; see `interpreters.choose`.
    """

    release_seconds: float = 0.0
    install_seconds: float = 0.0
    failures: Mapping[str, str] = field(default_factory=dict)
    runtimes: Mapping[str, str] = field(default_factory=dict)


class _ReleaseFailed(Exception):
    """A release failed; `code` is the platform's, `logs` are the instance's last lines."""

    def __init__(self, code: str, message: str, logs: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.logs = logs


class Releaser:
    """Carries out releases, each in a thread of its own, until it is stopped.

    `lock` guards the store; `settings` is called for every release, and `environment` for the
    variables that its function gets below its own.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        zips: ZipStore,
        platform: Platform,
        lock: threading.RLock,
        settings: Callable[[], ControlPlaneSettings],
        environment: Callable[[], Mapping[str, str]],
        clock: Clock,
    ) -> None:
        self._folder = folder
        self._store = store
        self._zips = zips
        self._platform = platform
        self._lock = lock
        self._settings = settings
        self._environment = environment
        self._clock = clock
        self._stopped = threading.Event()
        self._threads = Threads()
        self._trials: set[Instance] = set()

    def run_live(self, function: FunctionRecord) -> None:
        """Run the live revision of a function, when a cloud restarts."""
        revision = self._store.get(RevisionRecord, f"{function.id}/{function.stable}")
        if revision is None:
            return
        try:
            self._platform.deploy(self._spec(function, revision))
        except _ReleaseFailed:
            _log.exception("the function %s cannot be run; release it again", function.name)

    def begin(self, release: ReleaseRecord) -> None:
        """Carry out a stored release."""
        self._threads.start(self._carry_out, release)

    def stop(self) -> None:
        """Leave releases under way to the next start."""
        self._stopped.set()
        for instance in list(self._trials):  # importing its index.py may take a minute
            instance.kill()
        self._threads.join()

    def _carry_out(self, release: ReleaseRecord) -> None:
        if self._stopped.wait(self._settings().release_seconds):
            return
        spec: FunctionSpec | None = None
        failed = None
        try:
            spec = self._try(release)
        except _ReleaseFailed as error:
            failed = error
        except Exception as error:  # noqa: BLE001 - a release that never ends would be worse
            _log.exception("the release %s failed", release.id)
            failed = _ReleaseFailed("function_start_failed", f"The local platform failed: {error}.")
        with self._lock:
            function = self._store.get(FunctionRecord, release.function_id)
            if self._stopped.is_set() or function is None:
                return
            ended = replace(release, finished=self._clock.now())
            if failed is not None:
                ended = replace(ended, status=FAILED, message=str(failed), logs=failed.logs)
                self._store.put(replace(ended, error_code=failed.code))
            elif spec is not None:
                self._platform.deploy(spec)
                ended = replace(ended, status=DONE, message=_DONE)
                self._store.put(ended, replace(function, stable=release.target))

    def _try(self, release: ReleaseRecord) -> FunctionSpec:
        function = self._store.get(FunctionRecord, release.function_id)
        revision = self._store.get(RevisionRecord, f"{release.function_id}/{release.target}")
        if function is None or revision is None:
            raise _ReleaseFailed("function_start_failed", "The function was deleted.")
        failures = self._settings().failures
        if message := failures.get(function.name) or failures.get("*"):
            raise _ReleaseFailed("function_start_failed", message)
        spec = self._spec(function, revision)
        try:
            self._try_out(spec)
        except (InstanceError, OSError) as error:
            late = isinstance(error, InstanceError) and error.kind == "Timeout"
            code = "function_start_timeout" if late else "function_start_failed"
            message = "The function's instance did not start: see the failed instance's logs."
            raise _ReleaseFailed(code, message, str(error)) from error
        return spec

    def _try_out(self, spec: FunctionSpec) -> None:
        """Start an instance, and stop it once its index.py is imported."""
        instance = self._platform.launcher.start(spec)
        self._trials.add(instance)
        try:
            if not self._stopped.is_set():  # it may have been set before this trial was added
                instance.wait_ready()
        finally:
            self._trials.discard(instance)
            instance.stop()

    def _spec(self, function: FunctionRecord, revision: RevisionRecord) -> FunctionSpec:
        folder = self._folder / function.id / str(revision.number)
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            self._zips.unpack(revision.code, folder)
        config = revision.config
        if not (folder / "index.py").is_file():
            raise _ReleaseFailed("function_start_failed", "The zip has no index.py at its root.")
        try:
            python = interpreters.choose(function.runtime, folder, self._settings().runtimes)
        except interpreters.NoInterpreterError as error:
            raise _ReleaseFailed("function_start_failed", str(error)) from error
        return FunctionSpec(
            function.name,
            folder,
            {**self._environment(), **{each["Key"]: each["Value"] for each in config["Envs"]}},
            timeout_seconds=config["RequestTimeout"],
            max_concurrency=1 if config["ExclusiveMode"] else config["MaxConcurrency"],
            role=config.get("Role") or None,
            python=(python, *interpreters.ISOLATED),
            given_id=function.id,
        )
