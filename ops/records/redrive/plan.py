"""Which records are to be run again, what was sent for them, and what that may cost once more."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ops.records.finding import Unreadable, read_all
from ops.records.redrive.again import looked_for
from ops.records.redrive.successor import lost_query
from ops.records.words import Charge, charge_of
from shared.errors import ProbeFailed
from shared.ledger import Ledger, Record, find
from shared.processing.outputs import Outputs
from shared.uploads.metadata import again_id
from shared.uploads.presets import Preset, preset_for

SHOWN = 10
_FOUND = "its image is there"
_ABSENT = "no image is there"

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that may be run again.

    `again` is the one that does so already; `looks` what a look just now told of each attempt
    whose outcome is not known, by its number; `variants` how many generations it will have.
    """

    record: Record
    again: Record | None = None
    looks: dict[int, str] = field(default_factory=dict)
    variants: int = 1

    @property
    def is_done(self) -> bool:
        """Tell whether nothing is left to do: it has ended, and was run again."""
        return self.again is not None and self.record.state != "pending"


@dataclass(slots=True)
class Plan:
    """What is to be run again. Of many records only ids are held, and the first to show.

    `attempts` is what was sent for them, `generations` how many may be paid, as a rule;
    `with_image` how many have made their image after all; `unclear` for how many that cannot be
    told; `without_query` how many pictures are at an address that has lost its query. Beside these,
    `already` are the first that were run again before, `already_count` how many they are.
    """

    ids: list[str] = field(default_factory=list)
    shown: list[Candidate] = field(default_factory=list)
    attempts: Counter[Charge] = field(default_factory=Counter)
    generations: int = 0
    with_image: int = 0
    unclear: int = 0
    without_query: int = 0
    already: list[Candidate] = field(default_factory=list)
    already_count: int = 0
    unreadable: list[Unreadable] = field(default_factory=list)

    def add(self, candidate: Candidate) -> None:
        """Plan a record, unless it was run again before."""
        if candidate.is_done:
            self.already_count += 1
            self.already += [candidate] if len(self.already) < SHOWN else []
            return
        record = candidate.record
        self.ids.append(record.id)
        self.shown += [candidate] if len(self.shown) < SHOWN else []
        self.attempts.update(charge_of(attempt) for attempt in record.attempts)
        looks = set(candidate.looks.values())
        self.generations += 0 if _FOUND in looks else candidate.variants
        self.with_image += _FOUND in looks
        self.unclear += bool(looks - {_FOUND, _ABSENT}) and _FOUND not in looks
        self.without_query += lost_query(record)


def make_plan(
    ids: Iterable[str],
    read: Callable[[str], Record | None],
    matches: Callable[[Record], bool],
    *,
    ledger: Ledger,
    outputs: Outputs,
    presets: Sequence[Preset],
    tell: Tell,
) -> Plan:
    """Read records, and plan those that match."""

    def candidate(record_id: str) -> Candidate | None:
        record = read(record_id)
        if record is None or not matches(record):
            return None
        again = find(ledger, again_id(record.id))
        looks = {}
        if record.state == "pending":
            looks = {a.number: _told(found) for a, found in looked_for(outputs, record)}
        # What was rejected as it was uploaded never came to have its variants.
        preset = preset_for(record.key, presets) if record.instructions is None else None
        return Candidate(record, again, looks, preset.variants if preset else 1)

    plan = Plan()
    for number, found in enumerate(read_all(candidate, ids), 1):
        tell(number)
        if isinstance(found, Unreadable):
            plan.unreadable.append(found)
        elif found is not None:
            plan.add(found)
    return plan


def _told(found: object) -> str:
    if isinstance(found, ProbeFailed):
        return f"whether its image is there cannot be told: {found}"
    return _FOUND if found else _ABSENT
