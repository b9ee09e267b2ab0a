"""Check that there is an access key, and find where it is from. It is shown shortened."""

import os
from collections.abc import Mapping
from pathlib import Path

from ops.checks.check import Finding, ok, wrong
from shared.clients.credentials import CredentialSource
from shared.errors import CredentialsError

_SHOWN = 4


def find_access_key(
    credentials: CredentialSource, role_file: Path, environment: Mapping[str, str] = os.environ
) -> Finding:
    """Find the access key and the place that it comes from."""
    try:
        found = credentials.get()
    except CredentialsError as error:
        return wrong(
            str(error),
            "Deployed, the function's role gives the key; here, set VOLCENGINE_ACCESS_KEY and "
            "VOLCENGINE_SECRET_KEY.",
        )
    if role_file.exists():
        place = f"the role's file {role_file}"
    elif environment.get("VOLCENGINE_ACCESS_KEY") == found.access_key:
        place = "VOLCENGINE_ACCESS_KEY"
    else:
        place = "the SDK's other places (OIDC, its configuration file, the machine's role)"
    kind = "temporary" if found.session_token else "long-term"
    return ok(f"{shortened(found.access_key)}, {kind}, from {place}.")


def shortened(access_key: str) -> str:
    """Return enough of an access key to recognise it; nothing of a short one."""
    if len(access_key) < 4 * _SHOWN:
        return "•••"
    return f"{access_key[:_SHOWN]}…{access_key[-_SHOWN:]}"
