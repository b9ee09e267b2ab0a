"""The record that takes an old one's place: the same picture, asked for as things are now."""

from ops.records.render import source_of
from shared.clients.tos import ObjectInfo
from shared.errors import ObjectMissing, RejectedUpload
from shared.json_utils import is_url, texts_in
from shared.ledger import Ledger, Record, State, find
from shared.processing.attempts import ABSENT
from shared.processing.output_names import redriven_name, variant_name
from shared.processing.redrive import NotRedriven
from shared.runtime import Runtime
from shared.uploads.eligibility import head_problems
from shared.uploads.instructions import Instructions, resolve
from shared.uploads.metadata import identity, read_metadata, recognised, redrive_id, variant_id


def successor_of(old: Record, runtime: Runtime, note: str) -> Record:
    """Return the record that is to run `old` again. Raises NotRedriven, and storage's errors.

    An object's metadata and the presets are read anew, since what was wrong with them is fixed
    now. An HTTP request is repeated as it was.
    """
    new_id, instructions = redrive_id(old.id), old.instructions
    if old.source.address is None:
        info = _head(old, runtime)
        if not old.fingerprint:
            instructions = _instructions_now(old, info, runtime)
    if instructions is None:
        raise NotRedriven(f"There are no instructions for {source_of(old)}.")
    if _has_used_its_name(old, instructions):
        name = redriven_name(runtime.settings.output_prefix, new_id, instructions.output)
        instructions = instructions.model_copy(update={"output": name})
    return Record(
        id=new_id,
        source=old.source,
        fingerprint=old.fingerprint,
        instructions=instructions,
        redrive_of=old.id,
        note=note or None,
    )


def lost_query(old: Record) -> bool:
    """Return whether a picture is at a caller's URL that may have lost a query it needs."""
    if old.state == State.PENDING or not old.fingerprint:
        return False
    texts = [old.source.address or "", old.instructions.req_json if old.instructions else {}]
    return any(is_url(text) for text in texts_in(texts))


def _head(old: Record, runtime: Runtime) -> ObjectInfo:
    """Return the object's headers. Raises NotRedriven if it is another by now."""
    source = old.source
    storage = runtime.storage(source.region)
    try:
        info = storage.head(source.bucket or "", source.key or "", source.version_id)
    except ObjectMissing:
        raise NotRedriven("The object is gone.") from None
    if info.etag != source.etag:
        raise NotRedriven("The object was overwritten; its new content has a record of its own.")
    return info


def _instructions_now(old: Record, info: ObjectInfo, runtime: Runtime) -> Instructions:
    """Return the instructions for an uploaded object as it is now. Raises NotRedriven."""
    bucket, key = old.source.bucket or "", old.source.key or ""
    variant = old.instructions.variant if old.instructions else 1
    metadata = recognised(info.metadata)
    upload = variant_id(identity(bucket, key, info.version_id or info.etag, metadata), variant)
    known = find(runtime.ledger, upload)
    if known is not None and not _is_redriven_by(runtime.ledger, known, old):
        # Whoever changed the metadata had it repainted with that: it would be paid for twice.
        raise NotRedriven(f"Its metadata was changed, and has a record of its own: {upload}.")
    problems = head_problems(key, info)
    found: Instructions | str = ""
    try:
        found = resolve(key, read_metadata(info.metadata), runtime.settings.defaults)
    except RejectedUpload as error:
        problems += error.reasons
    if problems:
        raise NotRedriven(f"It would be rejected again: {' '.join(problems)}")
    if isinstance(found, str):
        raise NotRedriven(found)
    if old.instructions is None:
        return found
    # A record stays the variant that it is, of as many: its seed and its name depend on that.
    prefix = runtime.settings.output_prefix
    return found.model_copy(
        update={
            "variant": variant,
            "variants": old.instructions.variants,
            "output": variant_name(prefix, found.output, variant),
        }
    )


def _is_redriven_by(ledger: Ledger, first: Record, last: Record) -> bool:
    """Return whether `last` is `first`, or runs it again, directly or by others in between."""
    record: Record | None = last
    while record is not None and record.id != first.id:
        record = find(ledger, record.redrive_of) if record.redrive_of else None
    return record is not None


def _has_used_its_name(old: Record, instructions: Instructions) -> bool:
    """Return whether the name that a user chose may hold, or come to hold, an earlier image."""
    if not instructions.output:
        return False
    unknown = any(attempt.outcome in (None, ABSENT) for attempt in old.attempts)
    made = old.state == State.GENERATED and not instructions.overwrite
    # The earlier ones of a chain may have used it too.
    return unknown or made or bool(old.redrive_of)
