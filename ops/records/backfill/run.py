"""Process a plan: every planned object, then again those that were left unfinished."""

from collections.abc import Callable
from dataclasses import dataclass

from ops.records.backfill.plan import BackfillPlan, Planned
from ops.records.backfill.skipped import SkippedObjects
from ops.ui.bulk import BulkRun
from shared.ledger import Cause
from shared.results import Result
from shared.uploads.events import Upload

_UNFINISHED = ("incomplete", "deferred", "in_doubt")


@dataclass(frozen=True, slots=True)
class Repainting:
    """Repaints the objects of a plan in a bucket.

    `repaint` processes one upload, as `Pipeline.handle` does, in a thread of its own. `on_result`
    gets each result in the run's thread; that of an unfinished upload each time.
    """

    run: BulkRun
    bucket: str
    plan: BackfillPlan
    skipped: SkippedObjects
    repaint: Callable[[Upload], list[Result]]
    on_result: Callable[[Result], None]

    def repaint_all(self, pauses: tuple[float, ...]) -> None:
        """Repaint everything; after each pause (in seconds), try again what is unfinished."""
        self._go_through(only_unfinished=False)
        for pause in pauses:
            left = self.plan.unfinished()
            if self.run.stopped or not left:
                break
            self.run.pause(pause, f"{left} unfinished, in progress elsewhere or without an answer")
            self._go_through(only_unfinished=True)

    def _go_through(self, *, only_unfinished: bool) -> None:
        objects = self.plan.objects(only_unfinished=only_unfinished)
        for planned, results in self.run.map(self._repaint, objects):
            self._count(planned, results)

    def _repaint(self, planned: Planned) -> list[Result]:
        etag = planned.etag or None
        return self.repaint(Upload(self.bucket, planned.key, etag=etag, size=planned.size))

    def _count(self, planned: Planned, results: list[Result]) -> None:
        run, before = self.run, planned.left
        run.begun += not before
        run.waiting += any(r.status in _UNFINISHED for r in results) - bool(before)
        run.counts.subtract(status for status in before.values() if status)
        left = {}
        for result in results:
            record = result.record or ""
            left[record] = ""
            # A record that ended in an earlier round is a duplicate by now, and was counted then.
            if before.get(record) == "":
                continue
            run.count(result.status, planned.key, result.reason)
            if result.status == "skipped":
                self.skipped.add((planned.id, planned.last_modified))
            self.on_result(result)
            # What waits for time or for the rate limit can go on at once; the rest is due later.
            if result.status == "incomplete" or result.cause in (Cause.TIME, Cause.RATE_LIMIT):
                left[record] = result.status
        self.plan.leave(planned, left if any(left.values()) else {})
        run.stop_if_useless(results, was_parked=planned.pending)
