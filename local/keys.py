"""The local cloud's access keys, against which every request's signature is verified."""

import secrets
import threading

from shared.signing import Credentials


class KeyRing:
    """The access keys that exist; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, Credentials] = {}

    def add(self, credentials: Credentials) -> Credentials:
        """Make `credentials` valid."""
        with self._lock:
            self._keys[credentials.access_key] = credentials
        return credentials

    def issue(self, *, temporary: bool = False) -> Credentials:
        """Make up a key that is valid from now on, with a session token if it is temporary."""
        return self.add(
            Credentials(
                access_key=("AKTPLOCAL" if temporary else "AKLTLOCAL") + secrets.token_hex(8),
                secret_key=secrets.token_urlsafe(24),
                session_token=secrets.token_urlsafe(48) if temporary else None,
            )
        )

    def revoke(self, access_key: str) -> None:
        """Make a key invalid; one that does not exist already is."""
        with self._lock:
            self._keys.pop(access_key, None)

    def find(self, access_key: str) -> Credentials | None:
        """Return the whole key, or None where there is none of that name."""
        with self._lock:
            return self._keys.get(access_key)
