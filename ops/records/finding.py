"""Finding records by an id, by the beginning of one, or by the object they are of."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from ops.ui.output import Exit, Refused
from ops.ui.pool import side_by_side
from shared.errors import RepaintError
from shared.ledger import Ledger, Record, Unmade, find
from shared.uploads.metadata import object_id

Found = TypeVar("Found")

AT_ONCE = 32
UNMADE: tuple[Unmade, ...] = ("rejected", "skipped", "superseded")
_ID_DIGITS = 32
_NAMED = 5
# So many ids tell whether one is meant and, where several are, which.
ENOUGH = _NAMED + 1
_PAGE = 1000
_BEGINNING = re.compile(r"[0-9a-f]{4,32}")
_OBJECT = re.compile(r"tos://([^/]+)/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is there and cannot be read, and why."""

    record: str
    reason: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for: the beginning of its records' ids; where it is an object, its names."""

    beginning: str
    bucket: str = ""
    key: str = ""

    @property
    def is_object(self) -> bool:
        """Tell whether all records of an object are meant, and not one."""
        return bool(self.key)


def read_wanted(text: str, bucket: str | None) -> Wanted:
    """Tell what `text` means: an id or its beginning, `tos://bucket/key`, `bucket/key`, or a key.

    It is a key where a bucket is named and it is no id. Raises Refused.
    """
    named = _OBJECT.fullmatch(text)
    if named:
        return Wanted(object_id(*named.groups()), *named.groups())
    if _BEGINNING.fullmatch(text):
        return Wanted(text)
    place, slash, key = (bucket, "/", text) if bucket else text.partition("/")
    if not (place and slash and key):
        raise Refused(
            f"{text!r} is neither an id (4 to 32 of 0-9 and a-f) nor an object (bucket/key, or a "
            "key with --bucket)."
        )
    return Wanted(object_id(place, key), place, key)


def ids_of(ledger: Ledger, beginning: str, most: int) -> list[str]:
    """Return up to `most` ids of records that begin so."""
    # What ends in between is in both.
    found = list(islice(_pending_of(ledger, beginning), most))
    found += [record_id for record_id, _ in islice(ledger.finished_ids(beginning), most)]
    return sorted(set(found))[:most]


def _pending_of(ledger: Ledger, beginning: str) -> Iterator[str]:
    after = beginning
    while page := ledger.pending_page(after, _PAGE):
        for after in page:
            if not after.startswith(beginning):
                return
            yield after


def the_one(ledger: Ledger, beginning: str) -> Record:
    """Return the record whose id begins so. Raises Refused where there is none, or several."""
    whole = [beginning] if len(beginning) == _ID_DIGITS else ids_of(ledger, beginning, ENOUGH)
    if len(whole) > 1:
        raise several(beginning, whole)
    record = find(ledger, whole[0]) if whole else None
    if record is None:
        raise Refused(f"There is no record {beginning} in this ledger.", Exit.NEEDS_YOU)
    return record


def several(beginning: str, ids: list[str]) -> Refused:
    """Say which records begin so: those of one object are alike in most of their digits."""
    named = ", ".join([*ids[:_NAMED], *(["…"] if len(ids) > _NAMED else [])])
    return Refused(f"Several records begin with {beginning}: give more of the id. {named}")


def pending(ledger: Ledger, record_id: str) -> Record | None:
    """Return a pending record, if there is one."""
    entry = ledger.pending(record_id)
    return entry.record if entry else None


def read_all(
    read: Callable[[str], Found | None], ids: Iterable[str]
) -> Iterator[Found | Unreadable | None]:
    """Read records side by side, in whatever order; None for one that is not there any more."""

    def read_one(record_id: str) -> Found | Unreadable | None:
        try:
            return read(record_id)
        except RepaintError as error:
            return Unreadable(record_id, str(error))

    return (found for _, found in side_by_side(read_one, ids, AT_ONCE))
