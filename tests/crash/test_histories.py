"""Random histories: uploads, deployments, deliveries, duplicates, crashes, faults, sweeps.

Hypothesis makes the histories; the promises are checked after every step, and at the end, once
everything is done.
"""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from shared.ledger import Record
from tests import fakes
from tests.crash import interruption
from tests.crash.interruption import Killed, Plan, process
from tests.crash.witness import Witness
from tests.fakes import World

KEYS = st.sampled_from(["uploads/a.png", "uploads/b.png", "uploads/c.png"])
VARIANTS = st.sampled_from([1, 1, 3])
PROMPTS = st.sampled_from(["a cat", "漫画", "x%20y"])


PROVIDER: dict[str, fakes.Reaction] = {
    "made": fakes.made,
    "answer lost": fakes.answer_lost,
    "nothing made": fakes.nothing_made,
    "not connected": fakes.not_connected,
    "late": fakes.late(29.9),
    "throttled": fakes.model_refuses(50429),
    "flow limit": fakes.gateway_refuses("FlowLimitExceeded", 100018, 429),
    "configuration": fakes.model_refuses(50400),
    "internal": fakes.model_refuses(50500),
    "refused": fakes.model_refuses(50411),
    "output refused": fakes.model_refuses(50511),
}


class Uploads(RuleBasedStateMachine):
    """One deployment and its invariants."""

    events = Bundle("events")

    @initialize(capped=st.booleans(), has_webhook=st.booleans(), variants=VARIANTS)
    def start(self, *, capped: bool, has_webhook: bool, variants: int) -> None:
        self.world = World()
        self.witness = Witness(self.world) if has_webhook else None
        self.deploy(variants)
        if capped:
            self.world.environment["REPAINT_DAILY_CAP"] = "2"
        self.cap = 2 if capped else None
        self.ended: dict[str, Record] = {}
        self.events_made: list[dict[str, Any]] = []

    @rule(variants=VARIANTS)
    def deploy(self, variants: int) -> None:
        preset = {"prefix": "", "variants": variants}
        self.world.environment["REPAINT_PRESETS"] = json.dumps([preset])

    @rule(target=events, key=KEYS, prompt=PROMPTS, body=st.binary(min_size=1, max_size=2))
    def upload(self, key: str, prompt: str, body: bytes) -> dict[str, Any]:
        event = self.world.cloud.upload(key, prompt=prompt.encode().decode("latin-1"), body=body)
        self.events_made.append(event)
        return event

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        self.world.cloud.objects.pop(("photos", key), None)

    @rule(event=events)
    def deliver(self, event: dict[str, Any]) -> None:
        self.world.deliver_all(event)

    @rule(event=events, at=st.integers(1, 12), after=st.booleans())
    def deliver_and_kill(self, event: dict[str, Any], at: int, *, after: bool) -> None:
        what = interruption.killed_after if after else interruption.killed_before
        self.interrupted(
            lambda plan: self.world.deliver_all(event, process(self.world, plan)), at, what
        )

    @rule(event=events, at=st.integers(1, 12), fault=st.sampled_from(sorted(interruption.FAULTS)))
    def deliver_with_fault(self, event: dict[str, Any], at: int, fault: str) -> None:
        plan = Plan(at, interruption.FAULTS[fault])
        self.world.deliver_all(event, process(self.world, plan))

    @rule(event=consumes(events))
    def lose_the_event(self, event: dict[str, Any]) -> None:
        """Have the platform drop the event: a record must be finished all the same."""

    @rule(name=st.sampled_from(sorted(PROVIDER)))
    def provider_will(self, name: str) -> None:
        self.world.cloud.reactions.append(PROVIDER[name])

    @rule(status=st.sampled_from([302, 410, 500]))
    def endpoint_will_answer(self, status: int) -> None:
        if self.witness:
            self.witness.statuses.append(status)

    @rule(seconds=st.sampled_from([0.5, 5, 39, 47, 61, 3601, 86400]))
    def time_passes(self, seconds: float) -> None:
        self.world.clock.advance(seconds)

    @rule(seconds=st.sampled_from([30, 60, 120]))
    def sweep(self, seconds: float) -> None:
        self.world.sweep(seconds=seconds)

    @rule(at=st.integers(1, 20), after=st.booleans())
    def sweep_and_kill(self, at: int, *, after: bool) -> None:
        what = interruption.killed_after if after else interruption.killed_before
        # Its threads share the operations; a killed one ends the tick, as a process's end does.
        self.interrupted(lambda plan: self.world.sweep(process(self.world, plan)), at, what)

    def interrupted(self, act: Callable[[Plan], object], at: int, what: Any) -> None:
        plan = Plan(at, what)
        try:
            act(plan)
        except Killed:
            assert plan.met

    @invariant()
    def end_states_never_change(self) -> None:
        if not hasattr(self, "world"):
            return
        for (_, key), stored in self.world.cloud.objects.items():
            if "/done/" in key:
                record = Record.from_json(stored.body)
                assert record == self.ended.setdefault(record.id, record)

    @invariant()
    def generated_means_that_the_output_is_there(self) -> None:
        for record in getattr(self, "ended", {}).values():
            if record.state == "generated":
                (uri,) = record.store_uris
                assert uri.removeprefix(f"tos-cn-i-{fakes.SERVICE}/") in self.world.cloud.outputs

    @invariant()
    def nothing_is_paid_for_twice_without_a_probe(self) -> None:
        if not hasattr(self, "world"):
            return
        open_charges: dict[str, str] = {}
        for what, name in self.world.cloud.history:
            upload = name.rpartition("/")[2].rpartition("-")[0]
            if what == "probe":
                open_charges.pop(upload, None)
            else:
                assert upload not in open_charges, self.world.cloud.history
                open_charges[upload] = name

    @invariant()
    def no_more_is_paid_than_the_cap_allows(self) -> None:
        if getattr(self, "cap", None) is not None:
            days: dict[int, int] = {}
            for at in self.world.cloud.charged_at:
                day = int((at + 8 * 3600) // 86400)
                days[day] = days.get(day, 0) + 1
            assert all(count <= 2 for count in days.values()), days

    @invariant()
    def nothing_untrue_is_reported(self) -> None:
        if getattr(self, "witness", None) is not None:
            assert self.witness is not None
            assert [] == self.witness.untrue

    def teardown(self) -> None:
        """Deliver and sweep until everything is done: every upload has ended, or is parked."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.cloud.reactions.clear()
        if self.witness:
            self.witness.statuses.clear()
        world.environment.pop("REPAINT_DAILY_CAP", None)
        self.cap = None
        for event in self.events_made:
            world.clock.advance(3601)
            world.deliver_all(event)
        world.finish(ticks=20)
        self.end_states_never_change()
        self.generated_means_that_the_output_is_there()
        self.nothing_is_paid_for_twice_without_a_probe()
        self.every_end_was_reported()
        for record_id in world.ledger.pending_ids():
            entry = world.ledger.pending(record_id)
            assert entry is not None
            assert entry.record.park is not None
            assert entry.record.park.cause == "exhausted", entry.record
        for event in self.events_made:
            assert {result.status for result in world.deliver_all(event)} <= {
                "duplicate", "in_doubt", "superseded", "skipped",
            }  # fmt: skip
        paid = [name for what, name in world.cloud.history if what == "charge"]
        assert len(paid) == len(set(paid)), "no name is paid for twice"

    def every_end_was_reported(self) -> None:
        """Check that each end was reported, or dropped with a line after a day."""
        if self.witness is None:
            return
        for _ in range(2):
            self.world.clock.advance(3601)
            self.world.sweep()
        self.nothing_untrue_is_reported()
        reported = {event.get_id() for event in self.witness.events}
        dropped = {line["notice"] for line in self.world.lines.named("notice.dropped")}
        for record in self.ended.values():
            if record.state in {"generated", "rejected"}:
                assert f"{record.id}-{record.state}" in reported | dropped
        pending = set(self.world.ledger.pending_ids())
        assert {one.partition("-")[0] for one in self.world.ledger.entry_ids()} <= pending


TestUploads = Uploads.TestCase
TestUploads.settings = settings(max_examples=100, stateful_step_count=30)
