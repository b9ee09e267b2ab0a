"""Options that several commands have."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="JSON for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")]
Concurrency = Annotated[int, typer.Option(min=1, max=256, help="How many at once.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log to stderr, not to a file.")]
LedgerBucket = Annotated[
    str | None, typer.Option(help="The uploads' bucket, needed if REPAINT_LEDGER is unset.")
]
