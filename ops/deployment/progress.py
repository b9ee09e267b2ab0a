"""How a command goes: in one moving line on a terminal, a line for each sentence elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.markup import escape

from ops.deployment.steps import Step
from ops.deployment.telling import tell_step
from ops.ui.output import aside

if TYPE_CHECKING:
    from rich.status import Status


class Progress:
    """Tells people on stderr; nothing where `quiet`."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = aside()
        self._status: Status | None = None

    def __call__(self, sentence: str) -> None:
        """Say how something goes."""
        if self._status is not None:
            self._status.update(escape(sentence))
        elif not self._quiet:
            self._console.print(sentence, style="dim", markup=False)

    def done(self, step: Step) -> None:
        """Say that a step was taken."""
        if not self._quiet:
            tell_step(self._console, step, " done")

    @contextmanager
    def moving(self) -> Iterator[None]:
        """Show what is said in a line that moves, where there is a terminal; ask nothing here."""
        if self._quiet or not self._console.is_terminal:
            yield
            return
        with self._console.status("") as status:
            self._status = status
            try:
                yield
            finally:
                self._status = None
