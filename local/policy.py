"""Judge by policies, as IAM writes them, what a role may do.

    {"Statement": [{
        "Effect": "Allow",
        "Action": ["tos:ListBucket"],
        "Resource": ["trn:tos:::photos"],
        "Condition": {"StringLike": {"tos:prefix": ["uploads/*"]}}
    }]}

What no statement allows is refused, and one that denies outweighs any that allow. `*` stands for
any number of characters, `?` for one. A region or account that a resource leaves empty is any.
What cannot be judged here (NotAction, other conditions) is refused when the policy is read.

Sources: documents 6257/1134321 (Action), 6257/1134319 (Resource), 6349/102133 (Condition). How
services' codes are to be spelt is not documented, and the official clients write both `tos` and
`ImageX`: their case does not count here.
"""

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from local.keys import KeyRing

ACCOUNT = "local"
_PARTS = ("trn", "service", "region", "account", "path")


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that a request asks for; `context` is what conditions look at."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls, action: str, region: str, path: str, context: Mapping[str, str] | None = None
    ) -> "Asked":
        """Ask for `<service>:<Action>` on a resource of this account."""
        service = action.partition(":")[0]
        return cls(action, f"trn:{service}:{region}:{ACCOUNT}:{path}", context or {})


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[bool, str, tuple[str, ...]], ...]  # (with wildcards, key, values)

    @classmethod
    def read(cls, document: Any) -> "Statement":
        """Read a statement. Raises ValueError with what is wrong."""
        if not isinstance(document, dict):
            raise ValueError(f"A statement is a JSON object, not {document!r}.")  # noqa: TRY004
        known = ("Sid", "Effect", "Action", "Resource", "Condition")
        if odd := sorted(set(document) - set(known)):
            raise ValueError(f"{odd[0]} cannot be judged here; a statement has {', '.join(known)}.")
        if document.get("Effect") not in ("Allow", "Deny"):
            raise ValueError("The Effect of a statement is Allow or Deny.")
        resources = _texts(document.get("Resource"), "Resource")
        for resource in resources:
            if resource != "*" and len(resource.split(":", 4)) != len(_PARTS):
                raise ValueError(
                    f"The resource {resource!r} is none: write trn:<service>:<region>:<account>:…"
                )
        return cls(
            document["Effect"] == "Allow",
            _texts(document.get("Action"), "Action"),
            resources,
            tuple(_conditions(document.get("Condition", {}))),
        )

    def covers(self, asked: Asked) -> bool:
        """Say whether this is about what was asked for."""
        return (
            any(_is_action(pattern, asked.action) for pattern in self.actions)
            and any(_is_resource(pattern, asked.resource) for pattern in self.resources)
            and all(
                key in asked.context
                and any(
                    _like(value, asked.context[key]) if wild else value == asked.context[key]
                    for value in values
                )
                for wild, key, values in self.conditions
            )
        )


class Policies:
    """The policies of roles, and whose key may do what; safe to use from several threads.

    The account's own keys may do everything, and so may the keys of a role without a policy here.
    """

    def __init__(
        self, keys: KeyRing, documents: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._policies: dict[str, tuple[Statement, ...]] = {}
        for role, document in (documents or {}).items():
            self.set(role, document)

    def set(self, role: str, document: Mapping[str, Any]) -> None:
        """Let a role (its name or TRN) do what its policy says, from the next request on.

        Raises ValueError for a policy that cannot be judged, with the reason.
        """
        statements = document.get("Statement")
        if not isinstance(statements, list) or set(document) - {"Statement", "Version"}:
            raise ValueError('A policy is {"Statement": […]}.')
        read = tuple(Statement.read(statement) for statement in statements)
        with self._lock:
            self._policies[name_of(role)] = read

    def refusal(self, access_key: str, asked: Iterable[Asked]) -> str | None:
        """Return why a request signed with a key is refused; None where it is not."""
        role = self._keys.role_of(access_key)
        with self._lock:
            statements = None if role is None else self._policies.get(name_of(role))
        if role is None or statements is None:
            return None
        for each in asked:
            covering = [statement for statement in statements if statement.covers(each)]
            denied = any(not statement.allows for statement in covering)
            if denied or not covering:
                how = "denies" if denied else "does not allow"
                said = "".join(f", {key} {value!r}" for key, value in each.context.items())
                return (
                    f"The policy of the role {name_of(role)} {how} {each.action} on "
                    f"{each.resource}{said}."
                )
        return None


def name_of(role: str) -> str:
    """Return a role's name, given as such or as `trn:iam::<account>:role/<name>`."""
    return role.rpartition("/")[2]


def _texts(value: Any, what: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values or not all(isinstance(v, str) for v in values):
        raise ValueError(f"{what} is a text or a list of them, with at least one.")
    return tuple(values)


def _conditions(document: Any) -> Iterable[tuple[bool, str, tuple[str, ...]]]:
    if not isinstance(document, dict):
        raise ValueError("Condition is a JSON object.")  # noqa: TRY004 - as every other mistake
    for operator, keys in document.items():
        if operator not in ("StringLike", "StringEquals") or not isinstance(keys, dict):
            raise ValueError(
                f"The condition {operator} cannot be judged here: use StringLike or StringEquals."
            )
        for key, values in keys.items():
            yield operator == "StringLike", key, _texts(values, key)


def _is_action(pattern: str, action: str) -> bool:
    if pattern == "*":
        return True
    service, _, name = pattern.partition(":")
    asked, _, what = action.partition(":")
    return _like(service.lower(), asked.lower()) and _like(name, what)


def _is_resource(pattern: str, resource: str) -> bool:
    if pattern == "*":
        return True
    wanted, asked = pattern.split(":", 4), resource.split(":", 4)
    return (
        _like(wanted[1].lower(), asked[1].lower())
        and all(not wanted[i] or _like(wanted[i], asked[i]) for i in (2, 3))
        and _like(wanted[4], asked[4])
    )


def _like(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
