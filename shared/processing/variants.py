"""Variants: several generations of one upload, each with a record of its own.

    look for variant 1 ──▶ write n … 2, parked and due at once ──▶ claim 1 ──▶ all side by side
                     └─▶ it is there: nothing is written

The order keeps this true, whatever dies between two writes: *where variant 1 has a record, all of
its siblings were written*.

* Dying among the siblings, or before variant 1: those that are there are the sweep's, and the
  event comes again, finds no variant 1, and writes the rest. The other way round, what died behind
  variant 1 would look to the next delivery as if it had written them all.
* A delivery that finds variant 1, pending or ended, creates nothing; how many there are is what
  its record says. So a deployment with another number makes no old event new.
* Two deliveries at once may both find nothing. A sibling is created where there is none, and its
  end record looked for afterwards: one that has ended meanwhile is dropped, and whoever takes it
  up before that sees its end record first, and does not pay.
"""

from collections.abc import Callable

from shared.ledger import Ledger, Record, find
from shared.processing.attempts import name_of_variant
from shared.uploads.metadata import variant_id


def write_siblings(
    ledger: Ledger, first: Record, prefix: str, leave: Callable[[Ledger, Record], Record | None]
) -> list[str] | None:
    """Write the siblings of variant 1 where it has no record yet; return their ids, from 2 on.

    None where one is not there for sure, and variant 1 may not be claimed. `leave` writes a record
    that is due at once and returns what stands, see `Claims`; `prefix` is that of outputs'
    names. Raises what the ledger does.
    """
    siblings = siblings_of(first, prefix)
    if not siblings:
        return []
    known = find(ledger, first.id)
    if known is not None:
        return [sibling.id for sibling in siblings_of(known, prefix)]
    for sibling in reversed(siblings):
        if leave(ledger, sibling) is None:
            return None
    return [sibling.id for sibling in siblings]


def siblings_of(first: Record, prefix: str) -> list[Record]:
    """Return the records of an upload's further variants, none where there is one."""
    instructions = first.instructions
    if instructions is None:
        return []
    return [
        first.changed(
            id=variant_id(first.id, number),
            instructions=instructions.model_copy(
                update={
                    "variant": number,
                    "output": name_of_variant(prefix, instructions.output, number),
                }
            ),
        )
        for number in range(2, instructions.variants + 1)
    ]
