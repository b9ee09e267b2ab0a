"""Attempts: how many, what number comes next, under which name, on which day, since when."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from shared.clients.imagex_errors import Verdict
from shared.clients.imagex_model import MAX_OUTPUT_BYTES
from shared.ledger import Record

MAX_ATTEMPTS = 3

_BEIJING = timezone(timedelta(hours=8))
_NOT_EXECUTED = (Verdict.THROTTLED, Verdict.NOT_EXECUTED, Verdict.CONFIGURATION)


def next_number(record: Record) -> int:
    """Return the number of the attempt to begin next: one that was not executed comes again."""
    last = record.last_attempt
    if last is None:
        return 1
    return last.number if last.outcome in _NOT_EXECUTED else last.number + 1


def output_name(prefix: str, record_id: str, chosen: str | None, number: int) -> str:
    """Return the name of attempt `number`'s output: another one for every attempt.

    Whether a clash of names is refused before or after the generation is paid is not documented;
    with names of their own two attempts cannot clash. A name that the user chose is the first
    attempt's; later ones get the upload's id and their number put before the ending.
    """
    if not chosen:
        return f"{prefix}{record_id}-{number}"
    if number == 1:
        return prefix + chosen
    # The end of the id: its beginning is the same for all records of an object.
    suffixed = _suffixed(prefix, chosen, f"-{record_id[-8:]}-{number}")
    return prefix + (suffixed or f"{record_id}-{number}")


def name_for_again(prefix: str, record_id: str, chosen: str | None) -> str | None:
    """Return what to choose instead of `chosen` where an earlier record may have used that name.

    None, as for `chosen`, where the output gets a name of our own.
    """
    return _suffixed(prefix, chosen, f"-{record_id[-8:]}") if chosen else None


def name_of_variant(prefix: str, chosen: str | None, variant: int) -> str | None:
    """Return what a variant's output is called where `chosen` is the first one's name.

    None, as for `chosen`, where the output gets a name of our own.
    """
    return _suffixed(prefix, chosen, f"-{variant}") if chosen and variant > 1 else chosen


def _suffixed(prefix: str, chosen: str, suffix: str) -> str | None:
    """Put `suffix` before a name's ending, if need be in place of its last letters.

    None where even so it would be too long.
    """
    folder, slash, name = chosen.rpartition("/")
    stem, dot, ending = name.rpartition(".") if "." in name[1:] else (name, "", "")
    rest = f"{suffix}{dot}{ending}"
    room = MAX_OUTPUT_BYTES - len(f"{prefix}{folder}{slash}{rest}".encode())
    if room < 1:
        return None
    return f"{folder}{slash}{stem.encode()[:room].decode(errors='ignore')}{rest}"


def billing_day(now: float) -> str:
    """Return the day that a moment counts on, as the provider's bills do: Beijing's."""
    return datetime.fromtimestamp(now, _BEIJING).date().isoformat()


def changed_long_before(last_modified: str, sent_at: float) -> bool:
    """Tell whether a file was surely last changed before an attempt was sent.

    `LastModified` is given to the second; two more are left for clocks that differ. False where it
    cannot be read.
    """
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(last_modified)
        except ValueError:
            continue
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() < sent_at - 3.0
    return False
