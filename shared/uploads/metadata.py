"""An object's user metadata: decoding, typed values, and the identity of an upload."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from pydantic import TypeAdapter

from shared.clients.imagex_model import Scale, Seed, Steps, check_template
from shared.errors import Problem

GENERATED_MARK = "repaint-generated"
OBJECT_DIGITS = 20

_FULLY_ENCODED = re.compile(r"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_NON_ASCII_ESCAPES = re.compile(r"(?:%[89A-Fa-f][0-9A-Fa-f])+")


class Requested(NamedTuple):
    """The typed values of an upload's metadata, or of an HTTP request; None if not given."""

    prompt: str | None = None
    seed: int | None = None
    steps: int | None = None
    scale: float | None = None
    output: str | None = None
    template: str | None = None
    overwrite: bool | None = None
    skip: bool | None = None
    req_json: dict[str, Any] | None = None


class Metadata(NamedTuple):
    """An object's metadata: every text by its key, decoded, and the typed values.

    `problems` are those of texts without a valid value.
    """

    texts: Mapping[str, str]
    requested: Requested
    problems: list[Problem]


def read_metadata(metadata: Mapping[str, str]) -> Metadata:
    """Read an object's metadata, which is not decoded yet; keys are without the prefix."""
    texts, values, problems = decoded(metadata), {}, []
    for key, (read, wanted) in _READERS.items():
        # An output's name is not stripped: a space at its end is an error.
        text = texts.get(key, "") if key == "output" else texts.get(key, "").strip()
        field = key.replace("-", "_")
        try:
            if text:
                values[field] = read(text)
        except ValueError as error:
            message = f"is {shortened(text)}: {wanted}." if wanted else f"is {error}."
            problems.append(Problem(field, message))
    return Metadata(texts, Requested(**values), problems)


def shortened(value: str) -> str:
    """Return a value in quotes, cut to 60 characters."""
    return repr(value if len(value) <= 60 else value[:57] + "…")


def _flag(text: str) -> bool:
    value = _FLAGS.get(text.lower())
    if value is None:
        raise ValueError(text)
    return value


def _json_object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the caller makes a sentence of it
    return found


_FLAGS = dict.fromkeys(("true", "1", "yes", "on"), True)
_FLAGS |= dict.fromkeys(("false", "0", "no", "off"), False)
_SEED: TypeAdapter[int] = TypeAdapter(Seed)
_STEPS: TypeAdapter[int] = TypeAdapter(Steps)
_SCALE: TypeAdapter[float] = TypeAdapter(Scale)
# For each key, the conversion of its text, and the message if that fails; else the error's own.
_READERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "prompt": (str, ""),
    "seed": (
        lambda text: _SEED.validate_python(int(text)),
        "a whole number is needed, -1 for a random one",
    ),
    "steps": (
        lambda text: _STEPS.validate_python(int(text)),
        "a whole number from 1 to 50 is needed",
    ),
    "scale": (
        lambda text: _SCALE.validate_python(float(text)),
        "a number from 1 to 30 is needed",
    ),
    "output": (str, ""),
    "template": (check_template, "it has neither '~' nor spaces"),
    "overwrite": (_flag, "'true' or 'false' is needed"),
    "skip": (_flag, "'true' or 'false' is needed"),
    "req-json": (_json_object, ""),
}
KEYS = tuple(_READERS)


def decode_value(raw: str) -> str:
    """Return a metadata value without its percent-encoding, if it has one.

    An encoded value has no space, and no `%` that is not an escape: it is decoded whole. In any
    other ASCII text only escapes of non-ASCII characters are decoded, because some clients encode
    only these, and a `%20` is kept. Text with non-ASCII characters was not encoded at all.
    """
    if "%" not in raw or not raw.isascii():
        return raw
    if _FULLY_ENCODED.fullmatch(raw):
        return _unquote_or_keep(raw)
    return _NON_ASCII_ESCAPES.sub(lambda found: _unquote_or_keep(found[0]), raw)


def decoded(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return all metadata decoded; keys are without the prefix."""
    return {key: decode_value(value) for key, value in metadata.items()}


def recognised(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata in `KEYS`, decoded; keys are without the prefix."""
    return {key: decode_value(metadata[key]) for key in KEYS if key in metadata}


def object_id(bucket: str, key: str) -> str:
    """Return the 20 hexadecimal digits with which the ids of all uploads to a key begin.

    So the records of an object can be listed, also those of overwritten contents.
    """
    return _digest([bucket, key], OBJECT_DIGITS)


def identity(bucket: str, key: str, version: str, metadata: Mapping[str, str]) -> str:
    """Return the id of an upload, 32 hexadecimal digits: the same for every delivery of it.

    `version` is the object's version id or ETag, `metadata` is decoded. Neither keys that are not
    in `KEYS`, which a preset's placeholders may name, nor the configuration are part of it: a new
    deployment must not make an old event new.
    """
    known = sorted((name, metadata[name]) for name in KEYS if name in metadata)
    return object_id(bucket, key) + _digest([version, known], 12)


def variant_id(record_id: str, variant: int) -> str:
    """Return the id of an upload's variant: the first one has the upload's own, `record_id`.

    The other ids follow from that alone, so that an upload's record leads to all of them.
    """
    if variant == 1:
        return record_id
    return record_id[:OBJECT_DIGITS] + _digest([record_id, "variant", variant], 12)


def redrive_id(record_id: str) -> str:
    """Return the id of the record that redrives this one, with the same object id.

    It follows from the old id alone: there is one redrive, however often it is requested.
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
