"""Thousands of uploads while everything fails: `python -m tests.chaos.run`.

    plan ──▶ uploads ──▶ the local cloud, whose provider fails by chance     ──▶ judge ──▶ table
    (seeded)             and whose workers are killed, until all is at rest

The functions are the real ones in real processes. The judge reads the provider's billing records
(charges, calls, probes), the bucket and the ledger, never our log. The seed determines the uploads
and the faults; which upload meets which fault also depends on the machine's speed.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tests.chaos.judge import Tally
from tests.chaos.plan import ChaosPlan, Store
from tests.chaos.simulation import run
from tests.chaos.table import table, write_readmes


class RunProgress:
    """Shows the state of a run: a bar on a terminal, else a line every 20 seconds."""

    def __init__(self, console: Console, store: Store, total: int) -> None:
        self._console = console
        self._store = store
        self._shown_at = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed} ended · {task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self.bar.add_task(store, total=total, state="starting")

    def __call__(self, state: str, ended: int) -> None:
        self.bar.update(self._task, completed=ended, state=state)
        if not self._console.is_terminal and time.monotonic() - self._shown_at > 20:
            self._shown_at = time.monotonic()
            self._console.print(f"{self._store}: {ended} ended · {state}")


def _run(plan: ChaosPlan, store: Store, console: Console) -> Tally:
    """Do one run in a folder of its own; if a promise was broken, keep the folder, print what."""
    folder = Path(tempfile.mkdtemp(prefix=f"repaint-chaos-{store}-"))
    show = RunProgress(console, store, plan.uploads)
    try:
        with show.bar:
            tally = run(plan, store, folder, show)
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if tally.kept:
        shutil.rmtree(folder, ignore_errors=True)
        return tally
    (folder / "broken.txt").write_text("\n".join(tally.broken), "utf-8")
    for sentence in tally.broken[:20]:
        console.print(f"{store}: {sentence}", soft_wrap=True, markup=False)
    console.print(f"{store}: {len(tally.broken)} broken rules; all of it is in {folder}")
    return tally


def main(
    uploads: Annotated[int, typer.Option(min=1, help="Number of uploads.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 1,
    ledger: Annotated[Literal["tos", "sqlite", "both"], typer.Option(help="The store.")] = "both",
    readme: Annotated[bool, typer.Option("--readme", help="Write the READMEs' table.")] = False,
) -> None:
    """Upload thousands of pictures while everything fails; judge by the provider's billing records.

    Exits with 1, and keeps the state, if an upload was lost or a charge has no explanation.
    """
    console = Console(stderr=True, highlight=False)
    stores: tuple[Store, ...] = ("tos", "sqlite") if ledger == "both" else (ledger,)
    tallies: dict[Store, Tally] = {}
    try:
        for store in stores:
            tallies[store] = _run(ChaosPlan(uploads, seed), store, console)
    except KeyboardInterrupt:
        console.print("stopped")
        raise typer.Exit(130) from None
    sys.stdout.write(table(tallies) + "\n")
    if readme:
        write_readmes(tallies, f"python -m tests.chaos.run --uploads {uploads} --seed {seed}")
    raise typer.Exit(0 if all(tally.kept for tally in tallies.values()) else 1)


if __name__ == "__main__":
    typer.run(main)
