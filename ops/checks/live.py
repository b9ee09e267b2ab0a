"""`repaint doctor --live`: upload one small picture to what is deployed, and report what happens.

key, metadata ──▶ bucket ──▶ event ──▶ function ──▶ veImageX
                                          └───────▶ ledger: record ─┬──▶ report
refused and missing things, requested from here ────────────────────┘
"""

import io
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from urllib.parse import quote

import typer
from PIL import Image, ImageOps

from ops.checks.check import CheckFailed
from ops.checks.client import CheckClient
from ops.checks.uploads import Trigger
from ops.context import environment_of, open_runtime, service_access
from ops.deployment.apply import public_storage
from ops.deployment.render import Progress
from ops.deployment.serverless_yml.service import Function, Service, TosEvent
from ops.service_errors import code_of
from ops.ui.output import Exit, Refused, confirm, print_json
from shared.clients.http import Response
from shared.clients.imagex import error_of
from shared.json_utils import as_object
from shared.ledger import Record, State, find
from shared.runtime import Runtime
from shared.settings import Settings
from shared.uploads.metadata import identity, recognised

PROMPT = "水彩画，柔和的晨光"
SIDE = 64
_REQUEST_SECONDS = 60.0
_POLL_SECONDS = 2.0


def check_live(
    context: typer.Context,
    service: Service,
    bucket: str,
    prefix: str | None,
    seconds: float,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Upload a picture, wait for its image, print the report and remove the picture.

    Raises Refused if nothing is to be uploaded, typer.Exit if the picture was not repainted.
    """
    function, event = _event_of(service, bucket)
    prefix = event.prefix if prefix is None else prefix
    if not prefix.startswith(event.prefix):
        raise Refused(f"--prefix {prefix!r} is outside {event.prefix!r}, which calls the function.")
    number = secrets.token_hex(8)
    key = f"{prefix}repaint-smoke-{number} 试 100%{event.suffix or '.png'}"
    confirm(f"Upload {bucket}/{key} and pay for one generation?", yes=yes)
    # The function's own endpoint may be the region's internal one.
    endpoint = public_storage(environment_of(context), service.region)
    reached = {"TOS_ENDPOINT": endpoint, "TOS_REGION": service.region}
    progress = Progress(quiet=as_json)
    with (
        open_runtime(context, {**function.environment, **reached}) as runtime,
        service_access() as access,
        progress.moving(),
    ):
        settings = runtime.settings
        client = CheckClient(settings, access, _REQUEST_SECONDS)
        place = settings.ledger.removeprefix("tos://").partition("/")
        facts = [
            Fact("events that call the function", _events(Trigger(client, bucket, settings), key)),
            *storage_facts(client, place[0], place[2]),
            *imagex_facts(client, settings),
        ]
        ended = upload(runtime, bucket, key, picture(int(number, 16)), seconds, progress)
        facts = [*record_facts(ended, settings), *facts]
        if ended.record is not None and ended.record.state != State.PENDING:
            runtime.storage(None).delete(bucket, key)
        else:
            facts.append(Fact("the picture", f"is still there: {key}"))
    title = f"repaint doctor --live, {service.region} and {settings.region}"
    if as_json:
        shown = [asdict(fact) for fact in facts]
        print_json({"title": title, "facts": shown, "generated": ended.is_generated})
    else:
        sys.stdout.write(markdown(title, facts) + "\n")
    if not ended.is_generated:
        raise typer.Exit(Exit.NEEDS_YOU)


def _event_of(service: Service, bucket: str) -> tuple[Function, TosEvent]:
    """Return the function that a bucket's uploads call, and its event. Raises Refused."""
    events = [
        (function, event)
        for function in service.functions
        for event in function.events
        if isinstance(event, TosEvent)
    ]
    for function, event in events:
        if event.bucket == bucket:
            return function, event
    known = ", ".join(dict.fromkeys(event.bucket for _, event in events)) or "none"
    raise Refused(f"{service.path.name} names no bucket {bucket}: it names {known}.")


# The upload


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the upload: its record, None if there is none; uploaded at, in epoch seconds."""

    record: Record | None
    uploaded_at: float

    @property
    def is_generated(self) -> bool:
        """Whether the picture was repainted."""
        return self.record is not None and self.record.state == State.GENERATED


def upload(
    runtime: Runtime,
    bucket: str,
    key: str,
    content: bytes,
    seconds: float,
    report: Callable[[str], None],
) -> Ended:
    """Upload a picture and wait up to `seconds` for the end of its record."""
    storage, clock = runtime.storage(None), runtime.clock
    metadata = {"prompt": quote(PROMPT, safe="")}
    storage.put(bucket, key, content, content_type="image/png", metadata=metadata)
    uploaded_at = clock.now()
    report(f"uploaded {bucket}/{key}: waiting for its record")
    info = storage.head(bucket, key)
    version = info.version_id or info.etag
    record_id = identity(bucket, key, version, recognised(info.metadata))
    reported = ""
    while True:
        record = find(runtime.ledger, record_id)
        has_ended = record is not None and record.state != State.PENDING
        if has_ended or clock.now() >= uploaded_at + seconds:
            return Ended(record, uploaded_at)
        if record and record.park and record.reason != reported:
            reported = record.reason or ""
            report(f"parked: {reported}")
        clock.sleep(_POLL_SECONDS)


def picture(number: int) -> bytes:
    """Return a PNG of 64 by 64 pixels, from a colour of `number`'s own to white.

    Another number makes another content, and so another ETag.
    """
    gradient = Image.linear_gradient("L").resize((SIDE, SIDE))
    colour = (number % 256, number // 256 % 256, number // 256**2 % 256)
    file = io.BytesIO()
    ImageOps.colorize(gradient, colour, "white").save(file, "PNG")
    return file.getvalue()


# The facts


@dataclass(frozen=True, slots=True)
class Fact:
    """A question that the services' documents leave open, and the answer."""

    question: str
    answer: str


def record_facts(ended: Ended, settings: Settings) -> Iterator[Fact]:
    """Yield how the upload ended, how long it took, and the form of its addresses."""
    record = ended.record
    if record is None:
        yield Fact("the upload", "has no record in the ledger")
        return
    yield Fact("the upload", f"{record.status}, {len(record.attempts)} attempt(s)")
    yield Fact("from the upload to the claim", f"{record.created_at - ended.uploaded_at:.1f} s")
    if record.attempts:
        seconds = record.updated_at - record.attempts[-1].sent_at
        yield Fact("from the paid call to its end", f"{seconds:.1f} s")
        codes = {attempt.code for attempt in record.attempts if attempt.code}
        yield Fact("codes of attempts", ", ".join(sorted(codes)) or "–")
    names = {attempt.output: "<output>" for attempt in record.attempts}
    names |= {
        settings.domain: "<domain>",
        settings.template: "<template>",
        settings.service_id: "<service>",
    }
    for what, texts in (("ImageUrls", record.image_urls), ("StoreUris", record.store_uris)):
        yield Fact(f"form of {what}", ", ".join(_form(text, names) for text in texts) or "–")


def storage_facts(client: CheckClient, bucket: str, prefix: str) -> Iterator[Fact]:
    """Try conditional writes on one key below the ledger's prefix, which is removed again."""
    key = f"{prefix}smoke/{secrets.token_hex(8)}-tried"

    def ask(question: str, method: str, body: bytes = b"", **conditions: str) -> tuple[Fact, str]:
        headers = {f"x-tos-{name.replace('_', '-')}": value for name, value in conditions.items()}
        answer = client.storage(method, bucket, key, body=body, headers=headers)
        return Fact(question, _of_storage(answer)), answer.headers.get("etag", "").strip('"')

    yield ask("HEAD of a missing object", "HEAD")[0]
    yield ask("GET of a missing object", "GET")[0]
    create, swap = "x-tos-forbid-overwrite", "x-tos-if-match"
    try:
        fact, etag = ask(f"PUT with {create}, no object", "PUT", b"1", forbid_overwrite="true")
        yield fact
        yield ask("the same again", "PUT", b"2", forbid_overwrite="true")[0]
        yield ask(f"PUT with {swap}, another ETag", "PUT", b"3", if_match="0" * 32)[0]
        yield ask(f"PUT with {swap}, the right ETag", "PUT", b"4", if_match=etag)[0]
    finally:
        client.storage("DELETE", bucket, key, cleanup=True)
    versioning = client.storage("GET", bucket, query={"versioning": ""})
    status = (as_object(versioning.body) or {}).get("Status") or "none"
    yield Fact("versioning of the ledger's bucket", f"{_of_storage(versioning)}, Status {status}")


def imagex_facts(client: CheckClient, settings: Settings) -> Iterator[Fact]:
    """Ask veImageX for a missing output and for an action that does not exist."""
    name = f"{settings.output_prefix}smoke-{secrets.token_hex(8)}"
    uri = f"tos-cn-i-{settings.service_id}/{name}"
    for action, version, parameters in (
        ("GetImageUploadFile", "2023-05-01", {"StoreUri": uri}),
        ("GetImageStorageFiles", "2018-08-01", {"Prefix": name, "Limit": "10"}),
        ("RepaintAsksForNoAction", "2023-05-01", {}),
    ):
        answer = client.imagex(action, version, **parameters)
        yield Fact(f"{action}, nothing there", _of_imagex(answer))


def markdown(title: str, facts: Sequence[Fact]) -> str:
    """Return the report: a table."""
    rows = [f"| {_cell(fact.question)} | {_cell(fact.answer)} |" for fact in facts]
    return "\n".join([f"## {title}", "", "| | |", "|---|---|", *rows])


def _events(trigger: Trigger, key: str) -> str:
    """Return the events of the rules that cover a key, in one text."""
    try:
        rules = trigger.rules()
    except CheckFailed:
        return "cannot be read"
    covering = [r for r in rules if key.startswith(r.prefix) and key.endswith(r.suffix)]
    return ", ".join(sorted({event for rule in covering for event in rule.events})) or "none"


# A service's message can name an account: only statuses, codes and field names are reported.


def _of_storage(answer: Response) -> str:
    document = as_object(answer.body) or {}
    words = [f"HTTP {answer.status}", str(document.get("Code") or "")]
    ec = document.get("EC") or answer.headers.get("x-tos-ec")
    return " ".join(word for word in (*words, f"EC {ec}" if ec else "") if word)


def _of_imagex(answer: Response) -> str:
    document = as_object(answer.body) or {}
    error = error_of(document, answer.status)
    result = document.get("Result")
    if error:
        return f"HTTP {answer.status} {code_of(answer)} CodeN {error.get('CodeN')}"
    fields = sorted(result) if isinstance(result, dict) else type(result).__name__
    return f"HTTP {answer.status}, no error, Result {fields}"


def _form(address: str, names: Mapping[str, str]) -> str:
    """Return an address without names of the account's own and without its query's values."""
    place, _, query = address.partition("?")
    for name, shown in names.items():
        place = place.replace(name, shown)
    parameters = "&".join(part.partition("=")[0] + "=…" for part in query.split("&") if part)
    return f"{place}?{parameters}" if parameters else place


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
