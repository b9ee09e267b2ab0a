"""What the function saw and what became of the upload, as facts."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, unquote_plus

from ops.checks.live.report import Fact
from ops.checks.live.trial import Ended
from shared.settings import Settings

_PAID = "POST GetCVImageGenerateResult"


def seen_facts(seen: Mapping[str, Any] | None, key: str) -> Iterator[Fact]:
    """Tell what the function left; see `shared.smoke`."""
    if seen is None:
        yield Fact("what the function saw", "nothing: it left no document, or was never called")
        return
    yield Fact("the key in the event", _encoding(str(seen.get("key")), key))
    file = seen.get("credential_file") or {}
    yield Fact("the role's credential file", "is there" if file.get("is_there") else "is not there")
    yield Fact("Python", str(seen.get("python")))
    yield Fact("system", str(seen.get("system")))
    yield Fact("variables that the platform sets", ", ".join(seen.get("environment") or []) or "–")
    yield Fact("event", seen.get("event"))
    yield Fact("attributes of the context", seen.get("context"))
    yield Fact("fields of the credential file", file.get("fields"))
    answers = [each for each in seen.get("answers") or [] if each.get("to") == _PAID]
    yield Fact("answers to the paid call", answers)


def record_facts(ended: Ended, settings: Settings) -> Iterator[Fact]:
    """Tell how the upload ended, and in which form its addresses are."""
    record = ended.record
    if record is None:
        yield Fact("the upload", "has no record in the ledger")
        return
    yield Fact("the upload", f"{record.parked or record.state}, {len(record.attempts)} attempt(s)")
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


def _encoding(received: str, key: str) -> str:
    if received == key:
        return "as it is, not encoded"
    if unquote(received) == key:
        return f"percent-encoded: {received}"
    if unquote_plus(received) == key:
        return f"encoded as in a form, a space as +: {received}"
    return f"changed: {received}"


def _form(address: str, names: Mapping[str, str]) -> str:
    """Return an address without what is anybody's own, and without its query's values."""
    place, _, query = address.partition("?")
    for name, shown in names.items():
        place = place.replace(name, shown)
    parameters = "&".join(part.partition("=")[0] + "=…" for part in query.split("&") if part)
    return f"{place}?{parameters}" if parameters else place
