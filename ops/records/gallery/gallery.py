"""`repaint gallery`: the command. It finds the records, fetches their pictures, writes the file."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from ops.context import open_runtime
from ops.records.gallery.newest import newest
from ops.records.gallery.page import Card, write_page
from ops.records.gallery.pictures import RecordPictures
from ops.ui.bulk import map_ordered
from ops.ui.options import SINCE_FORMS, AsJson, parse_since
from ops.ui.output import Exit, Refused, opened, people, plain, print_json
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
        typer.Option(help=f"Only images generated since: {SINCE_FORMS}", show_default=False),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Write before and after of the newest records into one HTML file, to open or to send.

    The pictures are in the file, in a small size; it loads nothing from anywhere. The card of a
    picture that cannot be fetched any more gives the reason.

    Exit codes: 0 written; 1 nothing was generated, and nothing is written.

    Example: [b]repaint gallery --last 20 --output ~/Desktop/repainted.html[/]
    """
    missing: list[dict[str, Any]] = []
    with open_runtime(context) as runtime:
        now = runtime.clock.now()
        moment = parse_since(since, now) if since else 0.0
        with Meter(runtime.clock, "end records listed") as meter:
            records = newest(runtime.ledger, last, moment, meter.update)
        if not records:
            raise Refused("Nothing was generated, so there is nothing to show.", Exit.NEEDS_YOU)
        with (
            closing(RecordPictures(runtime)) as pictures,
            Meter(runtime.clock, "records shown", len(records)) as meter,
        ):
            cards = _cards(records, pictures, missing, meter.update)
            _write(output, cards, number=len(records), ledger=runtime.settings.ledger, now=now)
    if as_json:
        print_json({"output": str(output), "records": len(records), "missing": missing})
        return
    console = people()
    console.print(f"{plain(str(output))} shows {len(records):,} of the generated images.")
    if missing:
        console.print(f"{len(missing):,} pictures are missing in it; their cards give the reasons.")


def _cards(
    records: list[Record],
    pictures: RecordPictures,
    missing: list[dict[str, Any]],
    report: Callable[[int], None],
) -> Iterator[Card]:
    """Fetch the pictures of several records at a time, and list the missing ones."""

    def card(record: Record) -> Card:
        return record, pictures.before(record), pictures.after(record)

    for number, made in enumerate(map_ordered(card, records, _AT_ONCE), 1):
        report(number)
        record, *both = made
        for kind, picture in zip(("before", "after"), both, strict=True):
            if picture.missing:
                missing.append({"record": record.id, "picture": kind, "reason": picture.missing})
        yield made


def _write(path: Path, cards: Iterator[Card], *, number: int, ledger: str, now: float) -> None:
    """Write the file, or leave the one that exists as it is. Raises Refused."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with opened(fresh, "w") as file:
            write_page(file, cards, number=number, ledger=ledger, now=now)
        fresh.replace(path)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from None
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
