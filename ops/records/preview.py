"""`repaint preview`: what would be sent for a picture, with nothing called."""

import hashlib
import json
import mimetypes
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ops.context import Choice
from ops.ui.output import Exit, Refused, people, print_json
from shared.clients.tos import META, ObjectInfo
from shared.errors import RejectedUpload
from shared.ledger import Record
from shared.processing.attempts import output_name
from shared.processing.variants import siblings_of
from shared.settings import Settings, load_settings
from shared.uploads.eligibility import head_problems
from shared.uploads.instructions import resolve
from shared.uploads.metadata import identity, read_metadata, recognised
from shared.uploads.presets import preset_for

SOURCE = "https://<signed for this attempt>/"


def preview(
    context: typer.Context,
    image: Annotated[
        Path, typer.Argument(help="The picture; it is read, not sent.", exists=True, dir_okay=False)
    ],
    *,
    prompt: Annotated[str, typer.Option(help="x-tos-meta-prompt.")] = "",
    meta: Annotated[
        list[str] | None,
        typer.Option(help="Other metadata as name=value, without x-tos-meta-; more than once."),
    ] = None,
    key: Annotated[
        str, typer.Option(help="Its key in the bucket; a preset goes by it.", show_default=False)
    ] = "",
    bucket: Annotated[str, typer.Option(help="The bucket.")] = "photos",
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Show what would be sent for a picture; nothing is called.

    Example: [b]repaint preview cat.png --prompt 水彩 --meta seed=7[/]
    """
    choice: Choice = context.obj
    found = _previewed(
        image, _metadata(prompt, meta or []), bucket, key or f"uploads/{image.name}", choice
    )
    if as_json:
        print_json(found)
    else:
        _show(found)
    if found["status"] != "sent":
        raise typer.Exit(Exit.NEEDS_YOU)


def _metadata(prompt: str, meta: list[str]) -> dict[str, str]:
    given = {"prompt": prompt} if prompt else {}
    for item in meta:
        name, equals, value = item.partition("=")
        if not (name and equals):
            raise Refused(f"--meta {item!r} is not name=value.")
        given[name.lower().removeprefix(META)] = value
    return given


def _previewed(
    image: Path, metadata: dict[str, str], bucket: str, key: str, choice: Choice
) -> dict[str, Any]:
    """Go the way of an upload as far as it goes without a request."""
    settings = load_settings(choice.environment())
    content = image.read_bytes()
    info = ObjectInfo(
        etag=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        size=len(content),
        content_type=mimetypes.guess_type(key)[0] or "application/octet-stream",
        version_id=None,
        metadata=metadata,
    )
    preset = preset_for(key, settings.presets)
    found: dict[str, Any] = {
        "status": "sent",
        "bucket": bucket,
        "key": key,
        "reasons": head_problems(key, info),
        "preset": preset.model_dump(mode="json", exclude_unset=True) if preset else None,
        "prompt": None,
        "calls": [],
    }
    try:
        instructions = resolve(key, read_metadata(metadata), settings.defaults)
    except RejectedUpload as error:
        instructions = None
        found["reasons"] += error.reasons
    if isinstance(instructions, str):
        return {**found, "status": "skipped", "reasons": [instructions]}
    if found["reasons"] or instructions is None:
        return {**found, "status": "rejected"}
    first = Record(
        id=identity(bucket, key, info.etag, recognised(metadata)),
        bucket=bucket,
        key=key,
        etag=info.etag,
        instructions=instructions,
    )
    records = [first, *siblings_of(first, settings.output_prefix)]
    calls = [_call(record, settings) for record in records]
    return {**found, "prompt": instructions.prompt, "calls": calls}


def _call(record: Record, settings: Settings) -> dict[str, Any]:
    """Return the first call that would be made for a record."""
    instructions = record.instructions
    if instructions is None:
        raise AssertionError("what is wrong has no call")
    output = output_name(settings.output_prefix, record.id, instructions.output, 1)
    body = instructions.call_body(domain=settings.domain, output=output, image_url=SOURCE)
    return {
        "variant": instructions.variant,
        "record": record.id,
        "output": output,
        "body": json.loads(body.to_json()),
    }


def _show(found: dict[str, Any]) -> None:
    say = people()
    preset = found["preset"]
    say.print(f"[bold]object[/]   {escape(found['bucket'])}/{escape(found['key'])}")
    applied = "none applies" if preset is None else json.dumps(preset, ensure_ascii=False)
    say.print(f"[bold]preset[/]   {escape(applied)}")
    if found["status"] != "sent":
        say.print(f"[bold]ends[/]     {found['status']}")
        for reason in found["reasons"]:
            say.print(f"         {escape(reason)}")
        return
    say.print(f"[bold]prompt[/]   {escape(found['prompt'])}")
    first, *others = found["calls"]
    for call in found["calls"]:
        if others:
            say.print(f"[bold]variant[/]  {call['variant']} of {len(found['calls'])}")
        say.print(f"[bold]record[/]   {call['record']}")
        say.print(f"[bold]output[/]   {escape(call['output'])}")
        say.print(f"[bold]seed[/]     {_seed(call)}")
    body = "of GetCVImageGenerateResult" + (", for variant 1" if others else "")
    say.print(f"[bold]body[/]     {body}")
    say.print_json(data=first["body"])


def _seed(call: dict[str, Any]) -> str:
    seed = call["body"]["ReqJson"]["seed"]
    return "drawn by the model" if seed == -1 else str(seed)
