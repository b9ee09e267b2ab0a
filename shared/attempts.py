"""Attempts: how many, what number comes next, and the name that each stores its image under."""

from shared.codes import Verdict
from shared.ledger import Record
from shared.req_json import MAX_OUTPUT_BYTES

MAX_ATTEMPTS = 3

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
    return f"{prefix}{folder}{slash}{stem.encode()[:room].decode(errors='ignore')}{suffix}"
