"""The control plane: what every action works on, from its start to its end."""

import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from local.vefaas.api.code import Codes
from local.vefaas.api.records import Function, Release, Revision, Timer, Upload
from local.vefaas.api.refusals import not_found
from local.vefaas.api.releaser import PlaneSettings, Releaser
from local.vefaas.api.store import Store
from local.vefaas.runtime import Platform
from shared.clock import Clock, SystemClock

Environment = Callable[[], Mapping[str, str]]
Rules = Callable[[], Iterable[tuple[str, Mapping[str, Any]]]]
_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


class ControlPlane:
    """The functions that were deployed, kept in `folder` and run by `platform`.

    From `start` to `stop` released functions run and their timers fire. `environment` is what
    every function finds beneath its own variables; `rules` tells every notification rule of
    object storage, behind its bucket. `settings` can be replaced at any time. `lock` is held for
    the length of an action: each looks, and then writes.
    """

    def __init__(
        self,
        folder: Path,
        platform: Platform,
        *,
        settings: PlaneSettings | None = None,
        environment: Environment = dict,
        rules: Rules = tuple,
        clock: Clock | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.settings = settings or PlaneSettings()
        self.lock = threading.RLock()
        self.store = Store(folder / "plane.sqlite")
        self.codes = Codes(folder / "code")
        self.platform = platform
        self.rules = rules
        self.clock = clock or SystemClock()
        self.is_stopped = False
        self._revisions = folder / "revisions"
        self.releaser = Releaser(
            self._revisions,
            self.store,
            self.codes,
            platform,
            self.lock,
            lambda: self.settings,
            environment,
            self.clock,
        )

    def start(self) -> None:
        """Run what is live, and go on with the releases that an earlier process left."""
        needed = {each.code for each in self.store.all(Revision)}
        needed |= {each.code for each in self.store.all(Function)}
        needed |= {each.code for each in self.store.all(Upload)}
        self.codes.sweep(needed)
        for function in self.store.all(Function):
            self.releaser.run_live(function)
        for timer in self.store.all(Timer):
            self.set_timer(timer)
        for release in self.store.all(Release):
            if not release.finished:
                self.releaser.begin(release)

    def stop(self) -> None:
        """Leave to the next start what is under way. Before the platform's own end."""
        with self.lock:  # an action that has begun is carried out
            self.is_stopped = True
        self.releaser.stop()

    def close(self) -> None:
        """Close the store; the plane is of no use afterwards."""
        self.stop()
        self.store.close()

    @property
    def is_used(self) -> bool:
        """Whether there is any function."""
        return bool(self.store.all(Function))

    def find(self, function_id: str) -> Function:
        """Return a function. Raises Refusal where there is none of that id."""
        found = self.store.get(Function, function_id)
        if found is None:
            raise not_found(f"function {function_id!r}")
        return found

    def newest_release(self, function_id: str) -> Release | None:
        """Return the release of a function that began last."""
        return next(reversed(self.store.all(Release, function_id)), None)

    def is_taken(self, name: str) -> bool:
        """Say whether a function has that name, deployed or one that the cloud runs by itself."""
        names = {spec.name for spec in self.platform.functions.values()}
        return name in names | {function.name for function in self.store.all(Function)}

    def rules_of(self, function_id: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the notification rules that call a function, each behind its bucket."""
        return [
            (bucket, rule)
            for bucket, rule in self.rules()
            if {"FunctionId": function_id} in rule["Destination"]["VeFaaS"]
        ]

    def set_timer(self, timer: Timer) -> None:
        """Have the platform fire a timer as its settings say now, or not at all."""
        self.platform.timers.remove(timer.id)
        if timer.config["Enabled"] and timer.function_id in self.platform.functions:
            self.platform.add_timer(
                timer.function_id,
                timer.name,
                timer.config["Crontab"],
                timer.config["Payload"],
                timer.id,
            )

    def forget(self, function: Function) -> None:
        """Stop a function and forget it, with its revisions."""
        if function.id in self.platform.functions:
            self.platform.remove(function.id)
        # Dying before this line leaves the function, which runs again at the next start; dying
        # after it, a folder that nobody reads.
        self.store.remove(function)
        shutil.rmtree(self._revisions / function.id, ignore_errors=True)


def new_id(length: int = 8) -> str:
    """Make up an id in the platform's form."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(length))
