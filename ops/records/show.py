"""`repaint show`: everything that the ledger knows of one record."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from ops.context import deployment
from ops.records.finding import the_one
from ops.records.words import (
    ago,
    document,
    moment,
    place_of,
    stage_of,
    told_attempt,
    told_stage,
)
from ops.ui.output import people, plain, print_json
from shared.ledger import Record, find
from shared.redaction import redact_text
from shared.uploads.metadata import again_id

_WIDTH = 14


def show(
    context: typer.Context,
    record_id: Annotated[
        str, typer.Argument(metavar="ID", help="A record's id, or the beginning of it.")
    ],
    *,
    bucket: Annotated[
        str | None,
        typer.Option(help="The bucket of the uploads, where REPAINT_LEDGER is unset."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The record as JSON.")] = False,
) -> None:
    """Show everything about one record: its attempts, how it ended, what it was run again as.

    Example: [b]repaint show 53b50fe876c7ac6c[/]
    """
    with deployment(context, bucket=bucket) as deployed:
        now = deployed.runtime.clock.now()
        record = the_one(deployed.ledger, record_id)
        again = find(deployed.ledger, again_id(record.id))
    # An end record never changes: what came of it later is found by the id that it would have.
    record = record.changed(again_as=again.id if again else "")
    if as_json:
        print_json(document(record, now))
        return
    say = people()
    for name, text in _lines(record, again, now):
        say.print(f"[bold]{name.ljust(_WIDTH)}[/]{plain(redact_text(text))}")


def _lines(record: Record, again: Record | None, now: float) -> Iterator[tuple[str, str]]:
    yield "record", record.id
    yield "status", told_stage(record, now)
    if record.reason:
        yield "reason", record.reason
    if record.state == "pending":
        yield from _waiting(record, now)
    yield "of", place_of(record)
    if record.etag:
        version = f", version {record.version_id}" if record.version_id else ""
        yield "", f"ETag {record.etag}{version}"
    yield "begun", f"{moment(record.created_at)}, {ago(record.created_at, now)}"
    yield "changed", f"{moment(record.updated_at)}, {ago(record.updated_at, now)}"
    yield from _asked(record)
    if record.again_of:
        yield "again of", record.again_of
    if record.note:
        yield "note", record.note
    if again is not None:
        yield "again as", f"{again.id} ({stage_of(again, now).replace('_', ' ')})"
    for attempt in record.attempts:
        yield f"attempt {attempt.number}", f"{moment(attempt.sent_at)}  {attempt.output}"
        yield "", told_attempt(attempt)
    for number, url in enumerate(record.image_urls):
        yield "" if number else "image", url
    for uri in record.store_uris:
        yield "", uri


def _waiting(record: Record, now: float) -> Iterator[tuple[str, str]]:
    if record.lease_until > now:
        yield "leased", f"until {moment(record.lease_until)}"
    elif record.parked:
        parks = f", parked {record.parks} times with a pause" if record.parks > 1 else ""
        yield "due", f"{moment(record.due_at)}{parks}"


def _asked(record: Record) -> Iterator[tuple[str, str]]:
    """Tell what the model is asked for; what is at its default is left out."""
    instructions = record.without_queries().instructions
    if instructions is None:
        return
    yield "prompt", instructions.prompt
    if instructions.variants > 1:
        yield "variant", f"{instructions.variant} of {instructions.variants}"
    told = {"prompt", "variant", "variants"}
    for name, value in instructions.model_dump(exclude_defaults=True, exclude=told).items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        yield name, text
