"""The command itself: which records, their pictures, and the file."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from ops.context import deployment
from ops.records.gallery.newest import newest
from ops.records.gallery.page import Card, write_page
from ops.records.gallery.pictures import Pictures
from ops.records.since import read_since
from ops.ui.output import Exit, Refused, opened, people, plain, print_json
from ops.ui.pool import in_order
from ops.ui.progress import Meter
from shared.ledger import Record

_AT_ONCE = 4


def gallery(
    context: typer.Context,
    *,
    last: Annotated[int, typer.Option(min=1, max=1000, help="So many of the newest.")] = 50,
    output: Annotated[Path, typer.Option(help="The file to write.", dir_okay=False)] = Path(
        "gallery.html"
    ),
    since: Annotated[
        str,
        typer.Option(
            help="Only what was generated since then: 2026-11-01, 2026-11-01T08:00, or 90m, 24h, "
            "7d.",
            show_default=False,
        ),
    ] = "",
    bucket: Annotated[
        str | None, typer.Option(help="The bucket of the uploads, where REPAINT_LEDGER is unset.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Write before and after of the newest records into one HTML file, to look at or to send.

    The pictures are in the file, made smaller; it loads nothing from anywhere. Where one of them
    cannot be had any more, its card says why.

    Exit codes: 0 written; 1 nothing was generated, and nothing is written.

    Example: [b]repaint gallery --last 20 --output ~/Desktop/repainted.html[/]
    """
    with deployment(context, bucket=bucket) as deployed:
        runtime = deployed.runtime
        now = runtime.clock.now()
        moment = read_since(since, now) if since else 0.0
        with Meter(runtime.clock, "end records listed") as meter:
            records = newest(deployed.ledger, last, moment, meter.tell)
        if not records:
            raise Refused("Nothing was generated, so there is nothing to show.", Exit.NEEDS_YOU)
        missing: list[dict[str, Any]] = []
        place = runtime.settings.ledger_for(bucket or "")

        def write(file: TextIO) -> None:
            with (
                closing(Pictures(runtime)) as pictures,
                Meter(runtime.clock, "records shown", len(records)) as meter,
            ):
                cards = _cards(records, pictures, missing, meter.tell)
                write_page(file, cards, number=len(records), ledger=place, now=now)

        _write_whole(output, write)
    if as_json:
        print_json({"output": str(output), "records": len(records), "missing": missing})
        return
    say = people()
    say.print(f"{plain(str(output))} shows {len(records):,} of what was generated.")
    if missing:
        say.print(f"Missing in it: {len(missing):,} of the pictures; their cards say why.")


def _cards(
    records: list[Record],
    pictures: Pictures,
    missing: list[dict[str, Any]],
    tell: Callable[[int], None],
) -> Iterator[Card]:
    """Fetch the pictures of several records at a time, and note what is missing."""

    def card(record: Record) -> Card:
        return record, pictures.before(record), pictures.after(record)

    for number, made in enumerate(in_order(card, records, _AT_ONCE), 1):
        tell(number)
        record, *both = made
        for kind, picture in zip(("before", "after"), both, strict=True):
            if picture.missing:
                missing.append({"record": record.id, "picture": kind, "reason": picture.missing})
        yield made


def _write_whole(path: Path, write: Callable[[TextIO], None]) -> None:
    """Write a file, or leave the one that is there as it is. Raises Refused."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with opened(fresh, "w") as file:
            write(file)
        fresh.replace(path)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
