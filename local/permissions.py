"""The IAM actions that a request to the local cloud needs, and the protocol that authorizes them.

An action has the name of an API's action (6257/1134321). An `Authorizer` may decide about actions,
for the keys of roles. The local cloud has none of its own: its keys may do everything, and the
tests bring an engine that evaluates policies.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from local.keys import KeyRing

ACCOUNT = "local"


@dataclass(frozen=True, slots=True)
class RequestedAction:
    """One action on one resource; `context` has the values that conditions compare."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, action: str, region: str, path: str, context: Mapping[str, str] | None = None
    ) -> "RequestedAction":
        """Return `<service>:<Action>` on a resource of this account."""
        service = action.partition(":")[0]
        return cls(action, f"trn:{service}:{region}:{ACCOUNT}:{path}", context or {})


class Authorizer(Protocol):
    """Decides about the actions of a role."""

    def denial(self, role: str, requested: Iterable[RequestedAction]) -> str | None:
        """Return why one of the actions is denied to the role (a name or TRN), None if none is."""


def denial(
    authorizer: Authorizer | None,
    keys: KeyRing,
    access_key: str,
    requested: Iterable[RequestedAction],
) -> str | None:
    """Return why a request signed with a key is denied; the account's own keys are not."""
    role = keys.role_of(access_key)
    if authorizer is None or role is None:
        return None
    return authorizer.denial(role, requested)
