"""Evaluate IAM policies: what a role may do on the local cloud.

    {"Statement": [{
        "Effect": "Allow",
        "Action": ["tos:ListBucket"],
        "Resource": ["trn:tos:::photos"],
        "Condition": {"StringLike": {"tos:prefix": ["uploads/*"]}}
    }]}

An action that no statement allows is denied, and one Deny outweighs any Allow. `*` stands for any
number of characters, `?` for one. An empty region or account in a resource matches any. A policy
with anything else (NotAction, other conditions) raises ValueError when it is read.

Sources: documents 6257/1134321 (Action), 6257/1134319 (Resource), 6349/102133 (Condition). How
services' codes are spelt is not documented, and the official clients write both `tos` and
`ImageX`: their case does not count here.
"""

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.cloud import Cloud
from local.permissions import RequestedAction

_PARTS = ("trn", "service", "region", "account", "path")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a policy."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[bool, str, tuple[str, ...]], ...]  # (with wildcards, key, values)

    @classmethod
    def read(cls, document: Any) -> "Statement":
        """Read a statement. Raises ValueError with the problem."""
        if not isinstance(document, dict):
            raise ValueError(f"A statement is a JSON object, not {document!r}.")  # noqa: TRY004
        known = ("Sid", "Effect", "Action", "Resource", "Condition")
        if odd := sorted(set(document) - set(known)):
            raise ValueError(f"{odd[0]} is not supported; a statement has {', '.join(known)}.")
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

    def matches(self, requested: RequestedAction) -> bool:
        """Check whether the statement is about the action and the resource."""
        return (
            any(_is_action(pattern, requested.action) for pattern in self.actions)
            and any(_is_resource(pattern, requested.resource) for pattern in self.resources)
            and all(
                key in requested.context
                and any(
                    _like(value, requested.context[key])
                    if wild
                    else value == requested.context[key]
                    for value in values
                )
                for wild, key, values in self.conditions
            )
        )


class Policies:
    """An Authorizer by the policies of roles; a role without a policy may do everything."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self._lock = threading.Lock()
        self._policies: dict[str, tuple[Statement, ...]] = {}
        for role, document in (documents or {}).items():
            self.set(role, document)

    def set(self, role: str, document: Mapping[str, Any]) -> None:
        """Attach a policy to a role (its name or TRN), from the next request on.

        Raises ValueError for a policy that is not supported, with the reason.
        """
        statements = document.get("Statement")
        if not isinstance(statements, list) or set(document) - {"Statement", "Version"}:
            raise ValueError('A policy is {"Statement": […]}.')
        read = tuple(Statement.read(statement) for statement in statements)
        with self._lock:
            self._policies[name_of(role)] = read

    def denial(self, role: str, requested: Iterable[RequestedAction]) -> str | None:
        with self._lock:
            statements = self._policies.get(name_of(role))
        if statements is None:
            return None
        for each in requested:
            matching = [statement for statement in statements if statement.matches(each)]
            denied = any(not statement.allows for statement in matching)
            if denied or not matching:
                verb = "denies" if denied else "does not allow"
                context = "".join(f", {key} {value!r}" for key, value in each.context.items())
                return (
                    f"The policy of the role {name_of(role)} {verb} {each.action} on "
                    f"{each.resource}{context}."
                )
        return None


class PolicyCloud(Cloud):
    """A local cloud that holds the keys of roles to the roles' policies."""

    def __init__(
        self,
        folder: Path,
        *,
        role_policies: Mapping[str, Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        self.policies = Policies(role_policies)
        super().__init__(folder, authorizer=self.policies, **options)


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
                f"The condition {operator} is not supported: use StringLike or StringEquals."
            )
        for key, values in keys.items():
            yield operator == "StringLike", key, _texts(values, key)


def _is_action(pattern: str, action: str) -> bool:
    if pattern == "*":
        return True
    service, _, name = pattern.partition(":")
    requested, _, what = action.partition(":")
    return _like(service.lower(), requested.lower()) and _like(name, what)


def _is_resource(pattern: str, resource: str) -> bool:
    if pattern == "*":
        return True
    wanted, requested = pattern.split(":", 4), resource.split(":", 4)
    return (
        _like(wanted[1].lower(), requested[1].lower())
        and all(not wanted[i] or _like(wanted[i], requested[i]) for i in (2, 3))
        and _like(wanted[4], requested[4])
    )


def _like(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
