"""The control plane: the state that every action works on, from its start to its end."""

import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from local.vefaas.api.errors import not_found
from local.vefaas.api.releaser import ControlPlaneSettings, Releaser
from local.vefaas.api.store import (
    FunctionRecord,
    ReleaseRecord,
    RevisionRecord,
    Store,
    TimerRecord,
    UploadRecord,
)
from local.vefaas.api.zips import ZipStore
from local.vefaas.runtime import Platform
from shared.clock import Clock, SystemClock

Environment = Callable[[], Mapping[str, str]]
Rules = Callable[[], Iterable[tuple[str, Mapping[str, Any]]]]
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class ControlPlane:
    """The deployed functions, kept in `folder` and run by `platform`.

    From `start` to `stop` released functions run and their timers fire. `environment` returns the
    variables that every function gets below its own; `rules` returns every notification rule of
    object storage, behind its bucket. `settings` can be replaced at any time. `lock` is held for
    the length of an action: each reads, and then writes.
    """

    def __init__(
        self,
        folder: Path,
        platform: Platform,
        *,
        settings: ControlPlaneSettings | None = None,
        environment: Environment = dict,
        rules: Rules = tuple,
        clock: Clock | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = settings or ControlPlaneSettings()
        self.lock = threading.RLock()
        self.store = Store(folder / "plane.sqlite")
        self.zips = ZipStore(folder / "code")
        self.platform = platform
        self.rules = rules
        self.clock = clock or SystemClock()
        self.is_stopped = False
        self._revisions = folder / "revisions"
        self.releaser = Releaser(
            self._revisions,
            self.store,
            self.zips,
            platform,
            self.lock,
            lambda: self.settings,
            environment,
            self.clock,
        )

    def start(self) -> None:
        """Run the live revisions, and go on with the releases that an earlier process left."""
        needed = {each.code for each in self.store.all(RevisionRecord)}
        needed |= {each.code for each in self.store.all(FunctionRecord)}
        needed |= {each.code for each in self.store.all(UploadRecord)}
        self.zips.sweep(needed)
        for function in self.store.all(FunctionRecord):
            self.releaser.run_live(function)
        for timer in self.store.all(TimerRecord):
            self.set_timer(timer)
        for release in self.store.all(ReleaseRecord):
            if not release.finished:
                self.releaser.begin(release)

    def stop(self) -> None:
        """Leave releases under way to the next start. Call it before the platform ends."""
        with self.lock:  # an action that has begun is finished
            self.is_stopped = True
        self.releaser.stop()

    def close(self) -> None:
        """Stop, and close the store."""
        self.stop()
        self.store.close()

    @property
    def is_used(self) -> bool:
        """Whether there is any function."""
        return bool(self.store.all(FunctionRecord))

    def find(self, function_id: str) -> FunctionRecord:
        """Return a function by its id. Raises ApiError if there is none."""
        found = self.store.get(FunctionRecord, function_id)
        if found is None:
            raise not_found(f"function {function_id!r}")
        return found

    def newest_release(self, function_id: str) -> ReleaseRecord | None:
        """Return the release of a function that began last."""
        return next(reversed(self.store.all(ReleaseRecord, function_id)), None)

    def is_taken(self, name: str) -> bool:
        """Return whether a function has that name, a deployed or a built-in one."""
        names = {spec.name for spec in self.platform.functions.values()}
        return name in names | {function.name for function in self.store.all(FunctionRecord)}

    def rules_of(self, function_id: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the notification rules that call a function, each behind its bucket."""
        return [
            (bucket, rule)
            for bucket, rule in self.rules()
            if {"FunctionId": function_id} in rule["Destination"]["VeFaaS"]
        ]

    def set_timer(self, timer: TimerRecord) -> None:
        """Make the platform fire a timer by its settings, or not at all if it is disabled."""
        self.platform.remove_timer(timer.id)
        if timer.config["Enabled"] and timer.function_id in self.platform.functions:
            self.platform.add_timer(
                timer.function_id,
                timer.name,
                timer.config["Crontab"],
                timer.config["Payload"],
                timer.id,
            )

    def forget(self, function: FunctionRecord) -> None:
        """Stop a function and remove it, with its revisions."""
        if function.id in self.platform.functions:
            self.platform.remove(function.id)
        # Dying before this line leaves the function, which runs again at the next start; dying
        # after it leaves a folder that nobody reads.
        self.store.remove(function)
        shutil.rmtree(self._revisions / function.id, ignore_errors=True)


def new_id(length: int = 8) -> str:
    """Return a random id in the platform's form."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(length))
