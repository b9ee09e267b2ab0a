"""Names of outputs: made of the record's id, or chosen by the user and then reserved.

It is not documented whether veImageX refuses a clash of names before or after a generation is paid.
With a name of its own for every attempt no two attempts can clash.
"""

from typing import NamedTuple

from shared.clients.imagex_model import MAX_OUTPUT_BYTES
from shared.ledger import Ledger, Record


def output_name(prefix: str, record: Record, number: int) -> str:
    """Return the name of attempt `number`'s output.

    A name that the user chose is the first attempt's; later ones get the upload's id and their
    number put before the ending. The whole id: parts of it are the same for two uploads to one key,
    or of one picture under two keys.
    """
    chosen = record.instructions.output if record.instructions else None
    if not chosen:
        return record.default_output(prefix, number)
    if number == 1:
        return prefix + chosen
    suffixed = _suffixed(prefix, chosen, f"-{record.id}-{number}")
    return prefix + suffixed if suffixed else record.default_output(prefix, number)


def redriven_name(prefix: str, record_id: str, chosen: str | None) -> str | None:
    """Return the name to choose instead of `chosen` if an earlier record may have used that.

    None, as for `chosen`, if the output gets a default name.
    """
    return _suffixed(prefix, chosen, f"-{record_id}") if chosen else None


def variant_name(prefix: str, chosen: str | None, variant: int) -> str | None:
    """Return the name of a variant's output if `chosen` is the first one's.

    None, as for `chosen`, if the output gets a default name.
    """
    return _suffixed(prefix, chosen, f"-{variant}") if chosen and variant > 1 else chosen


def _suffixed(prefix: str, chosen: str, suffix: str) -> str | None:
    """Put `suffix` before a name's ending, if need be in place of its last letters.

    None if even so it would be too long.
    """
    folder, slash, name = chosen.rpartition("/")
    stem, dot, ending = name.rpartition(".") if "." in name[1:] else (name, "", "")
    rest = f"{suffix}{dot}{ending}"
    room = MAX_OUTPUT_BYTES - len(f"{prefix}{folder}{slash}{rest}".encode())
    if room < 1:
        return None
    return f"{folder}{slash}{stem.encode()[:room].decode(errors='ignore')}{rest}"


class NotReserved(NamedTuple):
    """A record does not get a name; `is_final` if that cannot change."""

    reason: str
    is_final: bool


def reserve_name(
    ledger: Ledger, record_id: str, name: str, *, overwrite: bool
) -> NotReserved | None:
    """Reserve a name for a record; None if the record has it now.

    Raises what the ledger raises.
    """
    holder = ledger.reserve_name(name, record_id)
    if holder == record_id:
        return None
    ended = ledger.finished(holder)
    made = ended is not None and any(uri.endswith(f"/{name}") for uri in ended.store_uris)
    if made and not overwrite:
        taken = f"The upload {holder} has the output name {name!r}: choose another one."
        return NotReserved(taken, is_final=True)
    # It ended without a file of that name, or its file is to be overwritten.
    if ended is None or not ledger.move_name(name, holder, record_id):
        waits = f"The upload {holder} is not done with the output name {name!r}."
        return NotReserved(waits, is_final=False)
    return None
