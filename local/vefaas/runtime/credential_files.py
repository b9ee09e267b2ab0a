"""The credential files of the functions' roles, each with a new temporary key every period."""

import json
import os
import threading
from pathlib import Path

from local.keys import KeyRing
from shared.clock import Clock


class CredentialFiles:
    """One credential file per function, below `folder`.

    A key stays valid for one period after its replacement, so that a reader of the old file has
    time to finish; then it is revoked.
    """

    def __init__(self, folder: Path, keys: KeyRing, clock: Clock, period_seconds: float) -> None:
        self._folder = folder
        self._keys = keys
        self._clock = clock
        self._period = period_seconds
        self._lock = threading.Lock()
        self._issued: dict[str, list[str]] = {}
        self._roles: dict[str, str] = {}
        self.next_refresh = clock.now() + period_seconds

    def path(self, function: str) -> Path:
        """Return the path of the function's credential file."""
        return self._folder / function / "credential"

    def add(self, function: str, role: str) -> Path:
        """Write the file of a function that works with `role`; return its path.

        A file that holds a key of that role from this cloud stays as it is.
        """
        with self._lock:
            if self._roles.get(function) != role:
                self._roles[function] = role
                self._rotate(function)
        return self.path(function)

    def remove(self, function: str) -> None:
        """Revoke a function's keys and remove its file."""
        with self._lock:
            self._remove(function)

    def refresh_if_due(self) -> None:
        """Give every function a new key if the period is over."""
        with self._lock:
            now = self._clock.now()
            if now < self.next_refresh:
                return
            self.next_refresh = now + self._period
            for function in self._issued:
                self._rotate(function)

    def close(self) -> None:
        """Revoke the keys and remove the files: no key outlives the cloud that knows it."""
        with self._lock:
            for function in list(self._issued):
                self._remove(function)

    def _remove(self, function: str) -> None:
        self.path(function).unlink(missing_ok=True)
        self._roles.pop(function, None)
        for access_key in self._issued.pop(function, []):
            self._keys.revoke(access_key)

    def _rotate(self, function: str) -> None:
        key = self._keys.issue(temporary=True, role=self._roles[function])
        path = self.path(function)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name("credential.new")
        unfinished.unlink(missing_ok=True)  # left by a process that died before the rename
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(
                {
                    "access_key_id": key.access_key,
                    "secret_access_key": key.secret_key,
                    "session_token": key.session_token,
                },
                file,
            )
        # A reader sees the old file or the new one, never half of one. If the process dies before
        # this line, the old file stays; its key dies with this process's key ring either way, and
        # the next start writes a new file before it starts an instance.
        unfinished.replace(path)
        issued = self._issued.setdefault(function, [])
        issued.append(key.access_key)
        # Revoke only after the rename: the file never names an invalid key.
        while len(issued) > 2:  # the current one and the one before
            self._keys.revoke(issued.pop(0))
