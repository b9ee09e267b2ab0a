"""A notification rule of a bucket, as `GET ?notification_v2` tells it: which object calls what."""

from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; empty `prefix` and `suffix` mean any, `functions` are the ids of those called."""

    rule_id: str
    events: tuple[str, ...]
    prefix: str
    suffix: str
    functions: tuple[str, ...]

    def __str__(self) -> str:
        """Say what it sends where."""
        return f"{self.rule_id} ({self.prefix}*{self.suffix} → {', '.join(self.functions)})"

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Self:
        """Read one entry of `Rules`; what is missing or odd in it counts as empty."""
        filters = {
            str(f.get("Name")): str(f.get("Value") or "")
            for f in _list(_dict(_dict(entry, "Filter"), "TOSKey"), "FilterRules")
            if isinstance(f, dict)
        }
        functions = _list(_dict(entry, "Destination"), "VeFaaS")
        return cls(
            # The official SDK writes RuleID and reads RuleId.
            rule_id=str(entry.get("RuleId") or entry.get("RuleID") or "a rule without a name"),
            events=tuple(str(event) for event in _list(entry, "Events")),
            prefix=filters.get("prefix", ""),
            suffix=filters.get("suffix", ""),
            functions=tuple(str(f.get("FunctionId")) for f in functions if isinstance(f, dict)),
        )


def _dict(value: dict[str, Any], name: str) -> dict[str, Any]:
    inner = value.get(name)
    return inner if isinstance(inner, dict) else {}


def _list(value: dict[str, Any], name: str) -> list[Any]:
    inner = value.get(name)
    return inner if isinstance(inner, list) else []
