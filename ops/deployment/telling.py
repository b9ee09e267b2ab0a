"""Plans, for people and for programs."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.markup import escape

from ops.deployment.steps import Change, Plan, Step
from shared.redaction import HIDDEN

_STYLES = {"create": "green", "change": "yellow", "release": "cyan", "remove": "red"}
_ACTION_WIDTH, _FIELD_WIDTH = 8, 34


def tell_plan(console: Console, plan: Plan) -> None:
    """Print what there is to do, what is in the way, and what is worth knowing."""
    for step in plan.steps:
        tell_step(console, step)
        for change in step.changes:
            field = change.field.ljust(_FIELD_WIDTH)
            console.print(escape(f"{' ' * _ACTION_WIDTH} {field} {_difference(step, change)}"))
    for problem in plan.problems:
        console.print(f"[red]in the way[/] {escape(problem)}")
    for note in plan.notes:
        console.print(f"[dim]note[/]     {escape(note)}")


def tell_step(console: Console, step: Step, ended: str = "") -> None:
    """Print what a step does, and how it ended."""
    action = f"[{_STYLES[step.action]}]{step.action.ljust(_ACTION_WIDTH)}[/]"
    console.print(f"{action} [bold]{escape(step.what)}[/]{ended}")


def summary(plan: Plan) -> str:
    """Say in one line how much there is to do."""
    counts = Counter(step.action for step in plan.steps)
    return ", ".join(f"{number} to {action}" for action, number in counts.items())


def document(plan: Plan, *, done: bool) -> dict[str, Any]:
    """Return a plan for programs."""
    return {
        "steps": [
            {
                "action": step.action,
                "what": step.what,
                "changes": [asdict(change) for change in step.changes],
            }
            for step in plan.steps
        ],
        "problems": list(plan.problems),
        "notes": list(plan.notes),
        "done": done,
    }


def _difference(step: Step, change: Change) -> str:
    if change.before == change.after == HIDDEN:
        return f"{HIDDEN} changed"
    if change.before is None or change.after is None:
        word = "" if step.action == "create" else "removed: " if change.after is None else "added: "
        return f"{word}{change.after or change.before}"
    return f"{change.before} → {change.after}"
