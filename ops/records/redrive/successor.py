"""The new record in the place of an old one: the same picture, asked for as things are now."""

from ops.context import Deployment
from ops.records.words import place_of
from shared.clients.tos import ObjectInfo
from shared.errors import ObjectMissing, RejectedUpload
from shared.json_utils import is_address, texts_in
from shared.ledger import Ledger, Record, find
from shared.processing.attempts import name_for_again, name_of_variant
from shared.uploads.eligibility import head_problems
from shared.uploads.instructions import Instructions, resolve
from shared.uploads.metadata import again_id, identity, read_metadata, recognised, variant_id


class NotRunAgain(Exception):
    """A record is not run again; the sentence says why."""


def successor(old: Record, deployed: Deployment, note: str) -> Record:
    """Return the record that is to run `old` again. Raises NotRunAgain, and what storage raises.

    An object is looked at anew, and its metadata and the presets read as they are now: what was
    wrong with them is mended since. What was asked for over HTTP is asked for again as it was.
    """
    settings, new_id = deployed.runtime.settings, again_id(old.id)
    instructions = old.instructions
    if not old.source:
        info = _look(old, deployed)
        if not old.fingerprint:
            instructions = _asked_now(old, info, deployed)
    if instructions is None:
        raise NotRunAgain(f"Nothing tells what to make of {place_of(old)}.")
    if _has_used_its_name(old, instructions):
        name = name_for_again(settings.output_prefix, new_id, instructions.output)
        instructions = instructions.model_copy(update={"output": name})
    return Record(
        id=new_id,
        bucket=old.bucket,
        key=old.key,
        etag=old.etag,
        version_id=old.version_id,
        region=old.region,
        source=old.source,
        fingerprint=old.fingerprint,
        instructions=instructions,
        again_of=old.id,
        note=note,
    )


def lost_query(old: Record) -> bool:
    """Tell whether a picture is at a caller's address, which may have lost what it needs."""
    if old.state == "pending" or not old.fingerprint:
        return False
    asked = [old.source or "", old.instructions.req_json if old.instructions else {}]
    return any(is_address(text) for text in texts_in(asked))


def _look(old: Record, deployed: Deployment) -> ObjectInfo:
    """Look at the object as it is now."""
    storage = deployed.runtime.storage(old.region)
    try:
        info = storage.head(old.bucket, old.key, old.version_id)
    except ObjectMissing:
        raise NotRunAgain("The object is gone.") from None
    if info.etag != old.etag:
        raise NotRunAgain("The object was overwritten; its new content has a record of its own.")
    return info


def _asked_now(old: Record, info: ObjectInfo, deployed: Deployment) -> Instructions:
    """Return what is to be made of an object that was uploaded. Raises NotRunAgain."""
    variant = old.instructions.variant if old.instructions else 1
    metadata = recognised(info.metadata)
    upload = identity(old.bucket, old.key, info.version_id or info.etag, metadata)
    upload = variant_id(upload, variant)
    known = find(deployed.ledger, upload)
    if known is not None and not _is_run_again_by(deployed.ledger, known, old):
        # Whoever changed the metadata had it repainted with that: it would be paid for twice.
        raise NotRunAgain(f"Its metadata was changed, and has a record of its own: {upload}.")
    problems = head_problems(old.key, info)
    try:
        found = resolve(old.key, read_metadata(info.metadata), deployed.runtime.settings.defaults)
    except RejectedUpload as error:
        problems += error.reasons
    if problems:
        raise NotRunAgain(f"It would be rejected again: {' '.join(problems)}")
    if isinstance(found, str):
        raise NotRunAgain(found)
    if old.instructions is None:
        return found
    # A record is one of its upload's variants, as many as there were, and stays that: its seed and
    # its name go by it.
    prefix = deployed.runtime.settings.output_prefix
    return found.model_copy(
        update={
            "variant": variant,
            "variants": old.instructions.variants,
            "output": name_of_variant(prefix, found.output, variant),
        }
    )


def _is_run_again_by(ledger: Ledger, first: Record, last: Record) -> bool:
    """Tell whether a record is another one, or what that one runs again, or what that does."""
    record: Record | None = last
    while record is not None and record.id != first.id:
        record = find(ledger, record.again_of) if record.again_of else None
    return record is not None


def _has_used_its_name(old: Record, instructions: Instructions) -> bool:
    """Tell whether the name that a user chose may hold, or come to hold, an earlier image."""
    if not instructions.output:
        return False
    unknown = any(attempt.outcome in (None, "absent") for attempt in old.attempts)
    made = old.state == "generated" and not instructions.overwrite
    # What earlier ones of a chain did with it is not looked up.
    return unknown or made or bool(old.again_of)
