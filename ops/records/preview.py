"""`repaint preview`: the calls that would be sent for a picture; nothing is called."""

import hashlib
import json
import mimetypes
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from ops.context import environment_of
from ops.ui.options import AsJson
from ops.ui.output import Exit, Refused, people, print_json
from shared.clients.tos import META, ObjectInfo
from shared.errors import RejectedUpload
from shared.ledger import Record, Source
from shared.processing.output_names import output_name
from shared.processing.variants import siblings_of
from shared.settings import Settings, load_settings
from shared.uploads.eligibility import head_problems
from shared.uploads.instructions import Instructions, resolve
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
        typer.Option(help="Other metadata as name=value, without x-tos-meta-; can be repeated."),
    ] = None,
    key: Annotated[
        str, typer.Option(help="Its key in the bucket; a preset goes by it.", show_default=False)
    ] = "",
    bucket: Annotated[str, typer.Option(help="The bucket.")] = "photos",
    as_json: AsJson = False,
) -> None:
    """Show the calls that would be sent for a picture; nothing is called.

    Example: [b]repaint preview cat.png --prompt 水彩 --meta seed=7[/]
    """
    settings = load_settings(environment_of(context))
    metadata = _metadata(prompt, meta or [])
    found = _preview(image.read_bytes(), metadata, bucket, key or f"uploads/{image.name}", settings)
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


def _preview(
    content: bytes, metadata: dict[str, str], bucket: str, key: str, settings: Settings
) -> dict[str, Any]:
    """Process an upload as far as that goes without a request."""
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
    instructions: Instructions | str | None = None
    try:
        instructions = resolve(key, read_metadata(metadata), settings.defaults)
    except RejectedUpload as error:
        found["reasons"] += error.reasons
    if isinstance(instructions, str):
        return {**found, "status": "skipped", "reasons": [instructions]}
    if found["reasons"] or instructions is None:
        return {**found, "status": "rejected"}
    first = Record(
        id=identity(bucket, key, info.etag, recognised(metadata)),
        source=Source(bucket=bucket, key=key, etag=info.etag),
        instructions=instructions,
    )
    calls = []
    for record in [first, *siblings_of(first, settings.output_prefix)]:
        asked = record.instructions or instructions
        output = output_name(settings.output_prefix, record, 1)
        body = asked.call_body(domain=settings.domain, output=output, image_url=SOURCE)
        calls.append(
            {
                "variant": asked.variant,
                "record": record.id,
                "output": output,
                "body": json.loads(body.to_json()),
            }
        )
    return {**found, "prompt": instructions.prompt, "calls": calls}


def _show(found: dict[str, Any]) -> None:
    console = people()
    preset = found["preset"]
    console.print(f"[bold]object[/]   {escape(found['bucket'])}/{escape(found['key'])}")
    applied = "none applies" if preset is None else json.dumps(preset, ensure_ascii=False)
    console.print(f"[bold]preset[/]   {escape(applied)}")
    if found["status"] != "sent":
        console.print(f"[bold]ends[/]     {found['status']}")
        for reason in found["reasons"]:
            console.print(f"         {escape(reason)}")
        return
    console.print(f"[bold]prompt[/]   {escape(found['prompt'])}")
    first, *others = found["calls"]
    for call in found["calls"]:
        if others:
            console.print(f"[bold]variant[/]  {call['variant']} of {len(found['calls'])}")
        seed = call["body"]["ReqJson"]["seed"]
        console.print(f"[bold]record[/]   {call['record']}")
        console.print(f"[bold]output[/]   {escape(call['output'])}")
        console.print(f"[bold]seed[/]     {'drawn by the model' if seed == -1 else seed}")
    variant = ", for variant 1" if others else ""
    console.print(f"[bold]body[/]     of GetCVImageGenerateResult{variant}")
    console.print_json(data=first["body"])
