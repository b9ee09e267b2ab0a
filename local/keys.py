"""The local cloud's access keys, against which every request's signature is verified."""

import json
import os
import secrets
import threading
from pathlib import Path

from shared.signing import Credentials


class KeyRing:
    """The access keys that exist; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, Credentials] = {}
        self._roles: dict[str, str] = {}

    def add(self, credentials: Credentials) -> Credentials:
        """Make `credentials` valid."""
        with self._lock:
            self._keys[credentials.access_key] = credentials
        return credentials

    def issue(self, *, temporary: bool = False, role: str | None = None) -> Credentials:
        """Make up a key that is valid from now on, with a session token if it is temporary.

        What is signed with it is done by `role`, by the account itself where that is None.
        """
        made = Credentials(
            access_key=("AKTPLOCAL" if temporary else "AKLTLOCAL") + secrets.token_hex(8),
            secret_key=secrets.token_urlsafe(24),
            session_token=secrets.token_urlsafe(48) if temporary else None,
        )
        if role is not None:
            with self._lock:
                self._roles[made.access_key] = role
        return self.add(made)

    def revoke(self, access_key: str) -> None:
        """Make a key invalid; one that does not exist already is."""
        with self._lock:
            self._keys.pop(access_key, None)
            self._roles.pop(access_key, None)

    def find(self, access_key: str) -> Credentials | None:
        """Return the whole key, or None where there is none of that name."""
        with self._lock:
            return self._keys.get(access_key)

    def role_of(self, access_key: str) -> str | None:
        """Return whose key it is: a role's, or None for the account's own."""
        with self._lock:
            return self._roles.get(access_key)


def kept_credentials(path: Path) -> Credentials:
    """Return the cloud's own key, made up when it starts for the first time."""
    document = {
        "access_key": "AKLTLOCAL" + secrets.token_hex(8),
        "secret_key": secrets.token_urlsafe(24),
    }
    return Credentials(**json.loads(kept(path, json.dumps(document))))


def kept(path: Path, text: str) -> str:
    """Return what the secret file `path` holds, and put `text` there if there is none yet."""
    if path.exists():
        return path.read_text("utf-8")
    # Written whole or not at all, and never readable by others: dying in between leaves no key,
    # and the next start makes another.
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
    return text
