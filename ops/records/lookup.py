"""Look records up by an id, by the beginning of one, or by their object; read many concurrently."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from ops.ui.bulk import map_unordered
from ops.ui.output import Exit, Refused
from shared.errors import RepaintError
from shared.ledger import Ledger, Record, find
from shared.uploads.metadata import object_id

Found = TypeVar("Found")

AT_ONCE = 32
_ID_DIGITS = 32
_NAMED = 5
# So many ids show whether a beginning is unique, and if not, what it could mean.
ENOUGH = _NAMED + 1
_PAGE = 1000
_BEGINNING = re.compile(r"[0-9a-f]{4,32}")
_OBJECT = re.compile(r"tos://([^/]+)/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that exists and cannot be read, and the reason."""

    record: str
    reason: str


@dataclass(frozen=True, slots=True)
class Query:
    """The beginning of the wanted records' ids; `bucket` and `key`, if it is an object's."""

    beginning: str
    bucket: str = ""
    key: str = ""


def parse_query(text: str, bucket: str | None) -> Query:
    """Parse an id or its beginning, `tos://bucket/key`, `bucket/key`, or a key.

    It is a key if `bucket` is given and it is no id. Raises Refused.
    """
    named = _OBJECT.fullmatch(text)
    if named:
        return Query(object_id(*named.groups()), *named.groups())
    if _BEGINNING.fullmatch(text):
        return Query(text)
    place, slash, key = (bucket, "/", text) if bucket else text.partition("/")
    if not (place and slash and key):
        raise Refused(
            f"{text!r} is neither an id (4 to 32 of 0-9 and a-f) nor an object (bucket/key, or a "
            "key with --bucket)."
        )
    return Query(object_id(place, key), place, key)


def ids_of(ledger: Ledger, beginning: str, most: int) -> list[str]:
    """Return up to `most` ids of records with this beginning."""
    # A record that ends in between is in both.
    found = list(islice(_pending_ids_of(ledger, beginning), most))
    found += [record_id for record_id, _ in islice(ledger.finished_ids(beginning), most)]
    return sorted(set(found))[:most]


def _pending_ids_of(ledger: Ledger, beginning: str) -> Iterator[str]:
    after = beginning
    while page := ledger.pending_page(after, _PAGE):
        for after in page:
            if not after.startswith(beginning):
                return
            yield after


def find_one(ledger: Ledger, beginning: str) -> Record:
    """Return the record whose id has this beginning. Raises Refused if there is none, or several.

    The records of one object have most of their digits in common.
    """
    whole = [beginning] if len(beginning) == _ID_DIGITS else ids_of(ledger, beginning, ENOUGH)
    if len(whole) > 1:
        named = ", ".join([*whole[:_NAMED], *(["…"] if len(whole) > _NAMED else [])])
        raise Refused(f"Several records begin with {beginning}: give more of the id. {named}")
    record = find(ledger, whole[0]) if whole else None
    if record is None:
        raise Refused(f"There is no record {beginning} in this ledger.", Exit.NEEDS_YOU)
    return record


def pending(ledger: Ledger, record_id: str) -> Record | None:
    """Return a pending record, if there is one."""
    entry = ledger.pending(record_id)
    return entry.record if entry else None


def read_all(
    read: Callable[[str], Found | None], ids: Iterable[str]
) -> Iterator[Found | UnreadableRecord | None]:
    """Yield the records concurrently, in any order; None for one that is gone."""

    def read_one(record_id: str) -> Found | UnreadableRecord | None:
        try:
            return read(record_id)
        except RepaintError as error:
            return UnreadableRecord(record_id, str(error))

    return (found for _, found in map_unordered(read_one, ids, AT_ONCE))
