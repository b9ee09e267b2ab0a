"""Where the access key comes from; the key itself is shown shortened, its secret never."""

import os
from collections.abc import Mapping
from pathlib import Path

from ops.checks.checks import Told, ok, wrong
from shared.clients.credentials import CredentialSource
from shared.errors import CredentialsError

_SHOWN = 4


class Access:
    """The access key that this process finds."""

    def __init__(
        self,
        credentials: CredentialSource,
        role_file: Path,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._credentials = credentials
        self._role_file = role_file
        self._environment = environment

    def look(self) -> Told:
        """Find the key, and tell which place it came from."""
        try:
            found = self._credentials.get()
        except CredentialsError as error:
            return wrong(
                str(error),
                "Deployed, the function's role gives the key; here, set VOLCENGINE_ACCESS_KEY and "
                "VOLCENGINE_SECRET_KEY.",
            )
        kind = "temporary" if found.session_token else "lasting"
        return ok(f"{shortened(found.access_key)}, {kind}, from {self._place(found.access_key)}.")

    def _place(self, access_key: str) -> str:
        if self._role_file.exists():
            return f"the role's file {self._role_file}"
        if self._environment.get("VOLCENGINE_ACCESS_KEY") == access_key:
            return "VOLCENGINE_ACCESS_KEY"
        return "the SDK's other places (OIDC, its configuration file, the machine's role)"


def shortened(access_key: str) -> str:
    """Show enough of an access key to tell it from others; nothing of one that is short."""
    if len(access_key) < 4 * _SHOWN:
        return "•••"
    return f"{access_key[:_SHOWN]}…{access_key[-_SHOWN:]}"
