"""`repaint show`: everything that the ledger has about one record."""

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from ops.context import open_runtime
from ops.records.lookup import find_one
from ops.records.render import (
    ago,
    document,
    local_time,
    render_attempt,
    render_status,
    source_of,
    status_word,
)
from ops.ui.output import people, plain, print_json
from shared.ledger import Record, find
from shared.redaction import redact_text
from shared.uploads.metadata import redrive_id

_WIDTH = 14


def show(
    context: typer.Context,
    record_id: Annotated[
        str, typer.Argument(metavar="ID", help="A record's id, or the beginning of it.")
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The record as JSON.")] = False,
) -> None:
    """Show everything about one record: its attempts, its end, the record that runs it again.

    Example: [b]repaint show 53b50fe876c7ac6c[/]
    """
    with open_runtime(context) as runtime:
        now = runtime.clock.now()
        record = find_one(runtime.ledger, record_id)
        successor = find(runtime.ledger, redrive_id(record.id))
    # An end record never changes: one that was redriven later is known by its successor's id.
    record = record.changed(redriven_as=successor.id if successor else None)
    if as_json:
        print_json(document(record, now))
        return
    console = people()
    for name, text in _lines(record, successor, now):
        console.print(f"[bold]{name.ljust(_WIDTH)}[/]{plain(redact_text(text))}")


def _lines(record: Record, successor: Record | None, now: float) -> Iterator[tuple[str, str]]:
    yield "record", record.id
    yield "status", render_status(record, now)
    if record.reason:
        yield "reason", record.reason
    yield from _wait(record, now)
    yield "of", source_of(record)
    if record.source.etag:
        version = f", version {record.source.version_id}" if record.source.version_id else ""
        yield "", f"ETag {record.source.etag}{version}"
    yield "begun", f"{local_time(record.created_at)}, {ago(record.created_at, now)}"
    yield "changed", f"{local_time(record.updated_at)}, {ago(record.updated_at, now)}"
    yield from _instructions(record)
    if record.redrive_of:
        yield "redrive of", record.redrive_of
    if record.note:
        yield "note", record.note
    if successor is not None:
        yield "redriven as", f"{successor.id} ({status_word(successor, now)})"
    for attempt in record.attempts:
        yield f"attempt {attempt.number}", f"{local_time(attempt.sent_at)}  {attempt.output}"
        yield "", render_attempt(attempt)
    for number, url in enumerate(record.image_urls):
        yield "" if number else "image", url
    for uri in record.store_uris:
        yield "", uri


def _wait(record: Record, now: float) -> Iterator[tuple[str, str]]:
    if record.lease and record.is_leased(now):
        yield "leased", f"until {local_time(record.lease.until)}"
    elif record.park:
        times = record.park_count
        count = f", parked {times} times with a pause" if times > 1 else ""
        yield "due", f"{local_time(record.park.due_at)}{count}"


def _instructions(record: Record) -> Iterator[tuple[str, str]]:
    """Yield what the model is asked for, without defaults."""
    instructions = record.without_queries().instructions
    if instructions is None:
        return
    yield "prompt", instructions.prompt
    if instructions.variants > 1:
        yield "variant", f"{instructions.variant} of {instructions.variants}"
    shown = {"prompt", "variant", "variants"}
    for name, value in instructions.model_dump(exclude_defaults=True, exclude=shown).items():
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
