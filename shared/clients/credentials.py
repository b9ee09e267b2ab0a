"""Find the access key: the role's file, the environment, the event's headers, the SDK's chain.

The platform refreshes the role's file, so it is read again for every request. (The file and the
headers are documented for other runtimes than Python's events: the order is safe either way.)
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import override

from shared.errors import CredentialsError
from shared.signing import Credentials

ROLE_FILE = Path("/var/run/secrets/iam/credential")

_from_headers: ContextVar[Credentials | None] = ContextVar("credentials of the event", default=None)


class CredentialSource(Protocol):
    """Returns the access key."""

    def get(self) -> Credentials:
        """Return the access key that is valid now. Raises CredentialsError if there is none."""
        ...


class FunctionCredentials(CredentialSource):
    """The access key of a function, on the platform or on a laptop."""

    def __init__(self, role_file: Path = ROLE_FILE) -> None:
        self._role_file = role_file
        self._lock = threading.Lock()
        self._chain: Any = None

    @override
    def get(self) -> Credentials:
        # Behind a gateway the caller writes the headers: he must not choose the key that signs.
        from_headers = None if os.environ.get("VOLCENGINE_ACCESS_KEY") else _from_headers.get()
        return self._from_file() or from_headers or _from_environment() or self._from_sdk()

    def _from_file(self) -> Credentials | None:
        try:
            document = json.loads(self._role_file.read_text("utf-8"))
            keys = document["access_key_id"], document["secret_access_key"]
            if not all(isinstance(key, str) and key for key in keys):
                raise ValueError  # noqa: TRY301 - reported below, like any other damage
            return Credentials(*keys, document.get("session_token") or None)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            # Not the error's text: it may repeat the file's content.
            raise CredentialsError(
                f"The role's credential file {self._role_file} cannot be read "
                f"({type(error).__name__}): it should be a JSON object with access_key_id, "
                "secret_access_key and session_token. Give the function a role."
            ) from None

    def _from_sdk(self) -> Credentials:
        with self._lock:
            if self._chain is None:
                from volcenginesdkcore.auth.providers.default_provider import (  # noqa: PLC0415 - slow
                    DefaultCredentialProvider,
                )

                self._chain = DefaultCredentialProvider()
        try:
            found = self._chain.get_credentials()
        except RuntimeError:
            # Not the chain's message: it repeats answers, which may have anything in them.
            raise CredentialsError(
                f"No access key was found: there is no {self._role_file}, the event's headers "
                "have none, and neither has the SDK's default chain. Give the function a role, "
                "or set VOLCENGINE_ACCESS_KEY and VOLCENGINE_SECRET_KEY."
            ) from None
        return Credentials(found.ak, found.sk, found.session_token or None)


def _from_environment() -> Credentials | None:
    """Return the key that the SDK's chain finds first, without importing the SDK."""
    access_key, secret_key, session_token = (
        os.environ.get(f"VOLCENGINE_{name}")
        for name in ("ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN")
    )
    if not (access_key and secret_key):
        return None
    return Credentials(access_key, secret_key, session_token or None)


@contextmanager
def credentials_of_event(headers: Mapping[str, Any] | None) -> Iterator[None]:
    """Use the temporary key in an event's headers within the context."""
    lowered = {str(name).lower(): str(value) for name, value in (headers or {}).items()}
    access_key = lowered.get("x-faas-access-key-id")
    secret_key = lowered.get("x-faas-secret-access-key")
    found = None
    if access_key and secret_key:
        found = Credentials(access_key, secret_key, lowered.get("x-faas-session-token") or None)
    before = _from_headers.set(found)
    try:
        yield
    finally:
        _from_headers.reset(before)
