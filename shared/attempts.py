"""Attempts: how many, what number comes next, under which name, on which day, since when."""

from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from shared.codes import Verdict
from shared.ledger import Record
from shared.req_json import MAX_OUTPUT_BYTES

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
    folder, slash, name = chosen.rpartition("/")
    stem, dot, ending = name.rpartition(".") if "." in name[1:] else (name, "", "")
    suffix = f"-{record_id[:8]}-{number}{dot}{ending}"
    room = MAX_OUTPUT_BYTES - len(f"{prefix}{folder}{slash}{suffix}".encode())
    if room < 1:
        return f"{prefix}{record_id}-{number}"
    return f"{prefix}{folder}{slash}{stem.encode()[:room].decode(errors='ignore')}{suffix}"


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
