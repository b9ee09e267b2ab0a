"""An object's user metadata: which keys are read, how values are decoded, an upload's identity."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

META = "x-tos-meta-"
GENERATED_MARK = "repaint-generated"
KEYS = ("prompt", "seed", "steps", "scale", "output", "template", "overwrite", "skip", "req-json")

OBJECT_DIGITS = 20

_FULLY_ENCODED = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_NON_ASCII_ESCAPES = re.compile(r"(?:%[89A-Fa-f][0-9A-Fa-f])+")


def decode_value(raw: str) -> str:
    """Undo the percent-encoding of a metadata value, where it was encoded.

    What an encoder leaves has no space, and no `%` that is not an escape: such a value is decoded
    whole. In any other ASCII text only escapes of non-ASCII characters are decoded (a client that
    encodes just those), and a `%20` stays what it says. Text that holds non-ASCII characters was
    not encoded at all.
    """
    if "%" not in raw or not raw.isascii():
        return raw
    if _FULLY_ENCODED.fullmatch(raw):
        return _unquote_or_keep(raw)
    return _NON_ASCII_ESCAPES.sub(lambda found: _unquote_or_keep(found[0]), raw)


def decoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return all metadata decoded; key names without the prefix."""
    return {key: decode_value(value) for key, value in metadata.items()}


def recognised(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return, decoded, the metadata that an upload is known by; key names without the prefix.

    Keys of a user's own, which a preset's placeholders may name, do not make an upload new.
    """
    return {key: decode_value(metadata[key]) for key in KEYS if key in metadata}


def object_id(bucket: str, key: str) -> str:
    """Return what the ids of all uploads under this key begin with: 20 hexadecimal digits.

    So the records of an object can be listed, also those of contents that were overwritten.
    """
    return _digest([bucket, key], OBJECT_DIGITS)


def identity(bucket: str, key: str, version: str, metadata: Mapping[str, str]) -> str:
    """Return the id of an upload: the same for every delivery of it, 32 hexadecimal digits.

    `version` is the object's version id or ETag. The configuration is no part of it: a new
    deployment must not make an old event new.
    """
    return object_id(bucket, key) + _digest([version, sorted(metadata.items())], 12)


def variant_id(record_id: str, variant: int) -> str:
    """Return the id of an upload's variant: the first has the upload's own, `record_id`.

    The others' follow from that alone: who has an upload's record can find them all.
    """
    if variant == 1:
        return record_id
    return record_id[:OBJECT_DIGITS] + _digest([record_id, "variant", variant], 12)


def redrive_id(record_id: str) -> str:
    """Return the id of the record that runs this one again; it begins as all of its object's do.

    It follows from the old one alone: however often that is asked for, there is one.
    """
    return record_id[:OBJECT_DIGITS] + _digest(["redrive", record_id], 12)


def _digest(parts: list[Any], digits: int) -> str:
    text = json.dumps(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:digits]


def _unquote_or_keep(raw: str) -> str:
    try:
        return unquote(raw, errors="strict")
    except UnicodeDecodeError:
        return raw
