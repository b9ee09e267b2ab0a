"""The local cloud's access keys, with which the signature of every request is verified."""

import json
import os
import secrets
from pathlib import Path

from shared.signing import Credentials


class KeyRing:
    """The valid access keys. Every method is one operation of a dict, so threads need no lock."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[Credentials, str | None]] = {}

    def add(self, credentials: Credentials, *, role: str | None = None) -> Credentials:
        """Make a key valid, for `role` or, by default, for the account itself."""
        self._keys[credentials.access_key] = (credentials, role)
        return credentials

    def issue(self, *, temporary: bool = False, role: str | None = None) -> Credentials:
        """Add a new key for `role`, with a session token if it is temporary."""
        credentials = Credentials(
            access_key=("AKTPLOCAL" if temporary else "AKLTLOCAL") + secrets.token_hex(8),
            secret_key=secrets.token_urlsafe(24),
            session_token=secrets.token_urlsafe(48) if temporary else None,
        )
        return self.add(credentials, role=role)

    def revoke(self, access_key: str) -> None:
        """Make a key invalid, if it is valid."""
        self._keys.pop(access_key, None)

    def find(self, access_key: str) -> Credentials | None:
        """Return the whole key, or None if there is none of that name."""
        return self._keys.get(access_key, (None, None))[0]

    def role_of(self, access_key: str) -> str | None:
        """Return the role that a key belongs to, or None if it is the account's own."""
        return self._keys.get(access_key, (None, None))[1]


def load_or_create_credentials(path: Path) -> Credentials:
    """Return the cloud's own key from the file `path`; create it at the first start."""
    document = {
        "access_key": "AKLTLOCAL" + secrets.token_hex(8),
        "secret_key": secrets.token_urlsafe(24),
    }
    return Credentials(**json.loads(load_or_create(path, json.dumps(document))))


def load_or_create(path: Path, text: str) -> str:
    """Return the content of the secret file `path`; create it with `text` if there is none."""
    if path.exists():
        return path.read_text("utf-8")
    # Written whole or not at all, and never readable by others: a process that dies in between
    # leaves no key, and the next start creates another.
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
    return text
