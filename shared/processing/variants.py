"""Variants: several generations of one upload, each with a record of its own.

    find variant 1 ──▶ write n … 2, parked and due at once ──▶ claim 1 ──▶ all side by side
               └─▶ it is there: nothing is written

The order keeps this true, whatever dies between two writes: *if variant 1 has a record, all of its
siblings were written*.

* Dying among the siblings, or before variant 1: those that are there are the sweep's, and the
  event comes again, finds no variant 1, and writes the rest. The other way round, after a death
  behind variant 1 the next delivery would believe that all siblings had been written.
* A delivery that finds variant 1, pending or ended, creates nothing; its record says how many
  variants there are. So a deployment with another number makes no old event new.
* Two deliveries at once may both find nothing. A sibling is created if there is none, and its end
  record is read afterwards: one that has ended meanwhile is dropped, and whoever takes it over
  before that reads its end record first, and does not pay.
"""

from shared.ledger import Ledger, Record, find
from shared.processing.claims import Claims
from shared.processing.output_names import variant_name
from shared.uploads.metadata import variant_id


def write_siblings(first: Record, ledger: Ledger, claims: Claims) -> list[Record] | None:
    """Write the siblings of variant 1 if it has no record yet; return them, from 2 on.

    None if one is not there for sure, and variant 1 may not be claimed. Raises what the ledger
    raises.
    """
    siblings = siblings_of(first, claims.output_prefix)
    if not siblings:
        return []
    known = find(ledger, first.id)
    if known is not None:
        return siblings_of(known, claims.output_prefix)
    for sibling in reversed(siblings):
        if claims.leave(sibling, ledger) is None:
            return None
    return siblings


def siblings_of(first: Record, prefix: str) -> list[Record]:
    """Return the records of an upload's further variants, none if there is only one.

    `prefix` is that of the outputs' names.
    """
    instructions = first.instructions
    if instructions is None or instructions.variants == 1:
        return []
    return [
        first.changed(
            id=variant_id(first.id, number),
            instructions=instructions.model_copy(
                update={
                    "variant": number,
                    "output": variant_name(prefix, instructions.output, number),
                }
            ),
        )
        for number in range(2, instructions.variants + 1)
    ]
