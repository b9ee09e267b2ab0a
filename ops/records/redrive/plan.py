"""The plan of a redrive: the records, what was sent for them, and what that may cost again."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ops.records.lookup import UnreadableRecord, read_all
from ops.records.redrive.successor import lost_query
from ops.records.render import Charge, charge_of
from shared.errors import ProbeFailed
from shared.ledger import Record, State, find
from shared.processing.redrive import probe_unknown
from shared.runtime import Runtime
from shared.uploads.metadata import redrive_id
from shared.uploads.presets import preset_for

SHOWN = 10
_FOUND = "its image is there"
_ABSENT = "no image is there"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A record that may be run again.

    `successor` is the record that runs it again already. `probes` are the findings of probes just
    now, by the numbers of the attempts whose outcomes are not known. `variants` is the number of
    its generations.
    """

    record: Record
    successor: Record | None = None
    probes: dict[int, str] = field(default_factory=dict)
    variants: int = 1

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to do: it has ended, and was run again."""
        return self.successor is not None and self.record.state != State.PENDING


@dataclass(slots=True)
class RedrivePlan:
    """The records to run again. Of many only little is held, and the first to show.

    `records` are their ids, each with the `updated_at` of the record that was read. `attempts`
    counts what was sent for them, `generations` what may be paid, as a rule; `with_image` are those
    that have an image after all, `unclear` those for which that cannot be found out,
    `without_query` those whose picture's URL has lost its query. `already` are the first of the
    `already_count` records that were run again before.
    """

    records: dict[str, float] = field(default_factory=dict)
    shown: list[Candidate] = field(default_factory=list)
    attempts: Counter[Charge] = field(default_factory=Counter)
    generations: int = 0
    with_image: int = 0
    unclear: int = 0
    without_query: int = 0
    already: list[Candidate] = field(default_factory=list)
    already_count: int = 0
    unreadable: list[UnreadableRecord] = field(default_factory=list)

    def add(self, candidate: Candidate) -> None:
        """Plan a record, unless it was run again before."""
        if candidate.is_done:
            self.already_count += 1
            self.already += [candidate] if len(self.already) < SHOWN else []
            return
        record = candidate.record
        self.records[record.id] = record.updated_at
        self.shown += [candidate] if len(self.shown) < SHOWN else []
        self.attempts.update(charge_of(attempt) for attempt in record.attempts)
        probes = set(candidate.probes.values())
        self.generations += 0 if _FOUND in probes else candidate.variants
        self.with_image += _FOUND in probes
        self.unclear += bool(probes - {_FOUND, _ABSENT}) and _FOUND not in probes
        self.without_query += lost_query(record)


def make_plan(
    ids: Iterable[str],
    read: Callable[[str], Record | None],
    matches: Callable[[Record], bool],
    *,
    runtime: Runtime,
    report: Callable[[int], None],
) -> RedrivePlan:
    """Read records, and plan those that match."""

    def candidate(record_id: str) -> Candidate | None:
        record = read(record_id)
        if record is None or not matches(record):
            return None
        successor = find(runtime.ledger, redrive_id(record.id))
        probes = {}
        if record.state == State.PENDING:
            unknown = probe_unknown(runtime.runner, record)
            probes = {attempt.number: _finding(image) for attempt, image in unknown}
        # A record that was rejected as it was uploaded never had its variants.
        preset = None
        if record.instructions is None:
            preset = preset_for(record.source.key or "", runtime.settings.presets)
        return Candidate(record, successor, probes, preset.variants if preset else 1)

    plan = RedrivePlan()
    for number, found in enumerate(read_all(candidate, ids), 1):
        report(number)
        if isinstance(found, UnreadableRecord):
            plan.unreadable.append(found)
        elif found is not None:
            plan.add(found)
    return plan


def _finding(image: object) -> str:
    if isinstance(image, ProbeFailed):
        return f"whether its image is there is not known: {image}"
    return _FOUND if image else _ABSENT
