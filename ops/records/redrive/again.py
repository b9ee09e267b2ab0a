"""One record, run again: the new one written, the old one ended, the new one worked on.

What a death between two of these writes leaves is told in `shared.processing.redrive`.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ops.context import Deployment
from ops.records.redrive.successor import NotRunAgain, successor
from ops.records.words import place_of, stage_of
from shared.clients.imagex import Generated
from shared.errors import LeaseLost, ProbeFailed, RepaintError
from shared.ledger import Attempt, Entry, Record, find
from shared.logs import Log
from shared.processing.endings import Endings
from shared.processing.outputs import Outputs
from shared.processing.rate_limit import Pace
from shared.processing.redrive import end_replaced
from shared.processing.turns import Turns
from shared.processing.variants import write_siblings
from shared.processing.work import Work
from shared.results import Result, Status, incomplete, result_of
from shared.uploads.metadata import again_id


@dataclass(frozen=True, slots=True)
class Done:
    """What became of running a record again.

    `not_run` is one that was left as it was. `record` is the new one; or the old one, where it
    turned out to have made its image after all.
    """

    again_of: str
    what: str
    status: Status | Literal["not_run"]
    reason: str = ""
    record: str | None = None
    result: Result | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        addresses = self.result.addresses() if self.result else {}
        told = {"again_of": self.again_of, "of": self.what, "record": self.record}
        return {**told, "status": self.status, "reason": self.reason, **addresses}


def looked_for(
    outputs: Outputs, record: Record
) -> Iterator[tuple[Attempt, Generated | ProbeFailed | None]]:
    """Look for what each attempt may have made whose outcome is not known."""
    for attempt in record.attempts:
        if attempt.outcome in (None, "absent"):
            try:
                yield attempt, outputs.made_by(record, attempt)
            except ProbeFailed as error:
                yield attempt, error


class Redrive:
    """Runs records again; safe to use from several threads.

    With `later`, the new ones are left to the sweep.
    """

    def __init__(self, deployed: Deployment, *, note: str, later: bool, log: Log) -> None:
        self._deployed = deployed
        self._ledger = deployed.ledger
        runtime = deployed.runtime
        self._clock = runtime.clock
        self._turns = Turns(runtime.settings, Pace(runtime.clock), runtime.clock)
        self._end = Endings(self._turns, runtime.notices, runtime.clock)
        self._outputs = Outputs(runtime.imagex, runtime.settings.domain)
        self._note = note
        self._later = later
        self._log = log

    def run(self, record_id: str) -> Done:
        """Run a record again, and say what became of it; never raises for what can happen to it."""
        what = ""
        try:
            entry = self._ledger.pending(record_id)
            ended = self._ledger.finished(record_id)
            old = ended or (entry.record if entry else None)
            if old is None:
                return Done(record_id, what, "not_run", "There is no such record.")
            what = place_of(old)
            if ended is not None or entry is None:
                return self._again(old, what)
            return self._in_place_of(entry, what)
        except (NotRunAgain, LeaseLost) as error:
            return Done(record_id, what, "not_run", str(error))
        except RepaintError as error:
            return Done(record_id, what, "incomplete", str(error))

    def _again(self, old: Record, what: str) -> Done:
        """Run what has ended again."""
        known = find(self._ledger, again_id(old.id))
        if known is not None:
            raise self._already(known)
        new = successor(old, self._deployed, self._note)
        return self._go_on(old, new, self._written(old, new), what)

    def _in_place_of(self, entry: Entry, what: str) -> Done:
        """Run what is pending again, which ends it."""
        old, new_id = entry.record, again_id(entry.record.id)
        known = find(self._ledger, new_id)
        if known is not None:
            # Whoever wrote it died before it could end the old one.
            self._supersede(self._take(entry), new_id)
            raise self._already(known)
        new = successor(old, self._deployed, self._note)
        work = self._take(entry)
        for attempt, made in looked_for(self._outputs, old):
            if isinstance(made, Generated):
                ended = self._end.made(work, made, attempt, probed=True)
                reason = "Its image was there after all: nothing was run again."
                result = result_of(ended)
                return Done(old.id, what, result.status, reason, old.id, result)
        # Taking it again renews the lease, and fails where the looks took longer than it lasted.
        named = work.record.changed(again_as=new_id)
        work.entry = self._ledger.replace(work.entry, self._turns.leased(named, self._clock.now()))
        if self._clock.now() > work.record.lease_until:
            # This process was frozen here: the old one may be another's, and be paid for, by now.
            raise LeaseLost(f"The record {old.id} was held for too long.")
        result = self._written(old, new)
        # Where the new one was not written after all, the old one stays.
        self._supersede(work, new_id)
        return self._go_on(old, new, result, what)

    def _take(self, entry: Entry) -> Work:
        """Become the owner of a pending record that nobody works on. Raises NotRunAgain."""
        now, old = self._clock.now(), entry.record
        if old.lease_until > now:
            raise NotRunAgain("It is being worked on: see what comes of that.")
        mine = self._turns.leased(old.changed(owner=secrets.token_hex(8)), now)
        taken = self._ledger.replace(entry, mine)
        # As with every claim: the look that counts comes after it.
        ended = self._ledger.finished(old.id)
        if ended is not None:
            self._ledger.drop(taken)
            raise NotRunAgain(f"It ended meanwhile: {ended.state}.")
        log = self._log.bind(bucket=old.bucket, key=old.key, record=old.id)
        storage = self._deployed.runtime.storage(old.region)
        return Work(self._ledger, taken, storage, self._deadline(), log, taken_over=True)

    def _supersede(self, work: Work, new_id: str) -> None:
        """End the old record, whose new one is written."""
        named = work.record.changed(again_as=new_id)
        if named != work.record:
            work.entry = self._ledger.replace(work.entry, named)
        end_replaced(work, self._end)

    def _written(self, old: Record, new: Record) -> Result:
        """Write the new record: due at once, and nobody's; return what it is then.

        What was rejected as it was uploaded never came to have its variants. They are written
        before the new record, as those of an upload are (see `shared.processing.variants`).
        """
        runtime = self._deployed.runtime
        if _further_variants(old, new):
            prefix, leave = runtime.settings.output_prefix, runtime.claims.left
            if write_siblings(self._ledger, new, prefix, leave) is None:
                return incomplete(new, "Not all of its variants could be written down.")
        return runtime.pipeline.submit(
            self._ledger, new, deadline=self._deadline(), log=self._log, later=True
        )

    def _go_on(self, old: Record, new: Record, result: Result, what: str) -> Done:
        if result.status == "deferred" and not self._later:
            result = self._deployed.runtime.pipeline.resume(
                self._ledger, new.id, deadline=self._deadline(), log=self._log, early=True
            )
        reason, further = result.reason, _further_variants(old, new)
        if result.status != "incomplete" and further:
            left = f"Its further variants ({further}) are left to the sweep."
            reason = f"{reason} {left}".lstrip()
        return Done(old.id, what, result.status, reason, new.id, result=result)

    def _already(self, known: Record) -> NotRunAgain:
        stage = stage_of(known, self._clock.now()).replace("_", " ")
        return NotRunAgain(f"It was run again already, as {known.id} ({stage}): redrive that one.")

    def _deadline(self) -> float:
        return self._clock.now() + self._deployed.runtime.settings.deadline_seconds


def _further_variants(old: Record, new: Record) -> int:
    """Return how many variants come to be beside the new record that `old` never had."""
    if old.instructions is not None or new.instructions is None:
        return 0
    return new.instructions.variants - 1
