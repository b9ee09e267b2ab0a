"""`python -m bench`: measure, and write the results down."""

import shutil
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console

from bench.folders import Folders
from bench.machine import machine
from bench.parts import PARTS
from bench.report import Measured, table, write
from bench.run import Run

RESULTS = Path(".repaint") / "bench"


class PartProgress:
    """Shows a part's progress: beside a spinner on a terminal, else in a line every 20 seconds."""

    def __init__(self, console: Console, part: str) -> None:
        self._console = console
        self._part = part
        self._status = console.status(part)
        self._began = self._shown_at = time.monotonic()

    def __call__(self, text: str) -> None:
        """Show the current step."""
        self._status.update(f"{self._part}: {text}")
        if not self._console.is_terminal and time.monotonic() - self._shown_at > 20:
            self._shown_at = time.monotonic()
            self._console.print(f"{self._part}: {text}")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._status.stop()
        seconds = time.monotonic() - self._began
        self._console.print(f"{self._part}: {'failed' if kind else 'done'} after {seconds:.0f} s")


def main(
    only: Annotated[
        str, typer.Option(help=f"Only these parts, comma-separated: {', '.join(PARTS)}.")
    ] = "",
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Number of rounds, instead of each part's own.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Try all parts on a small scale; nothing is kept.")
    ] = False,
    readme: Annotated[
        bool, typer.Option("--readme", help="Write docs/bench.md, its pictures and the READMEs.")
    ] = False,
) -> None:
    """Measure this project and the obvious alternative side by side, on one local cloud.

    Each part's figures are kept in .repaint/bench/, so that parts can be measured one by one;
    --readme writes all of them. Measure on a machine that does nothing else.

    Example: [b]python -m bench --only cold,warm --rounds 5[/]
    """
    console = Console(stderr=True, highlight=False)
    chosen = [name for name in only.split(",") if name] or list(PARTS)
    unknown = sorted(set(chosen) - PARTS.keys())
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(PARTS)}.")
    command = "python -m bench"
    command += (f" --only {only}" if only else "") + (f" --rounds {rounds}" if rounds else "")
    below = Path(tempfile.mkdtemp(prefix="repaint-bench-"))
    folders = Folders(below / "functions")
    try:
        for name in chosen:
            with PartProgress(console, name) as show:
                figures = PARTS[name].measure(Run(below, folders, show, quick, rounds))
            sys.stdout.write(f"{name}\n\n{table(figures, PARTS[name].beside)}\n\n")
            sys.stdout.flush()
            if not quick:
                date = datetime.now(UTC).date().isoformat()
                Measured(name, date, machine(), command, tuple(figures)).save(RESULTS)
    except RuntimeError as error:
        console.print(str(error), markup=False)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None
    finally:
        shutil.rmtree(below, ignore_errors=True)
    if readme:
        write({name: found for name in PARTS if (found := Measured.load(RESULTS, name))})


if __name__ == "__main__":
    typer.run(main)
