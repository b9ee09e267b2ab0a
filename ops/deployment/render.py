"""Plans and progress, for people and for programs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from ops.deployment.plan import Change, Plan, Step
from ops.ui.output import aside
from shared.redaction import HIDDEN

if TYPE_CHECKING:
    from rich.status import Status

_STYLES = {"create": "green", "change": "yellow", "release": "cyan", "remove": "red"}
_ACTION_WIDTH, _FIELD_WIDTH = 8, 34


def print_plan(console: Console, plan: Plan) -> None:
    """Print the steps with their changes, the problems and the notes."""
    for step in plan.steps:
        _print_step(console, step)
        for change in step.changes:
            field = change.field.ljust(_FIELD_WIDTH)
            console.print(escape(f"{' ' * _ACTION_WIDTH} {field} {_difference(step, change)}"))
    for problem in plan.problems:
        console.print(f"[red]problem[/]  {escape(problem)}")
    for note in plan.notes:
        console.print(f"[dim]note[/]     {escape(note)}")


def summary(plan: Plan) -> str:
    """Return the number of steps of each kind, on one line."""
    counts = Counter(step.action for step in plan.steps)
    return ", ".join(f"{number} to {action}" for action, number in counts.items())


def json_plan(plan: Plan, *, done: bool) -> dict[str, Any]:
    """Return a plan as JSON for programs."""
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


class Progress:
    """Progress on stderr, unless `quiet`: one moving line on a terminal, else a line each."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = aside()
        self._status: Status | None = None

    def __call__(self, sentence: str) -> None:
        """Show a sentence."""
        if self._status is not None:
            self._status.update(escape(sentence))
        elif not self._quiet:
            self._console.print(sentence, style="dim", markup=False)

    def done(self, step: Step) -> None:
        """Show that a step is done."""
        if not self._quiet:
            _print_step(self._console, step, " done")

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Show sentences in a moving line, if there is a terminal; ask nothing meanwhile."""
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with self._console.status("") as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None


def _print_step(console: Console, step: Step, ending: str = "") -> None:
    action = f"[{_STYLES[step.action]}]{step.action.ljust(_ACTION_WIDTH)}[/]"
    console.print(f"{action} [bold]{escape(step.what)}[/]{ending}")


def _difference(step: Step, change: Change) -> str:
    if change.before == change.after == HIDDEN:
        return f"{HIDDEN} changed"
    if change.before is None or change.after is None:
        word = "" if step.action == "create" else "removed: " if change.after is None else "added: "
        return f"{word}{change.after or change.before}"
    return f"{change.before} → {change.after}"
