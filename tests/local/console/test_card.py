"""How far an upload has come, by what the queue, the ledger and the log tell of it."""

from typing import Any

import pytest

from local.console.card import UploadCard
from local.vefaas.runtime import QueuedEvent
from shared.ledger import Attempt, Cause, Lease, Park, Record, Source, State, Status

NOW = 1_800_000_000.0
IN_DOUBT = Park(status=Status.IN_DOUBT, cause=Cause.UNSURE, due_at=NOW)
DEFERRED = Park(status=Status.DEFERRED, cause=Cause.CAP, due_at=NOW)
PARKED = {"park": IN_DOUBT, "reason": "Nobody knows."}
LEASED = {"lease": Lease(owner="somebody", until=NOW + 1)}
GENERATED = {"state": State.GENERATED}


def delivery(state: str, attempt: int = 1, **fields: Any) -> tuple[str, QueuedEvent]:
    given = {"last_error": None, "dropped_because": None, "copy_of": None, **fields}
    return state, QueuedEvent(f"{state}{attempt}", "fn", {}, attempt, NOW - 9, NOW - 3, **given)


def upload(
    *deliveries: tuple[str, QueuedEvent],
    record: dict[str, Any] | None = None,
    finished: dict[str, Any] | None = None,
) -> UploadCard:
    found = UploadCard("id", "photos", "uploads/a.png", NOW - 9)
    found.events = {each.id: (state, each) for state, each in deliveries}
    if record is not None:
        source = Source(bucket="photos", key="uploads/a.png", etag="e")
        found.record = Record(id="r", source=source, **record)
    if finished is not None:
        found.add({"event": "delivery.finished", **finished})
    return found


@pytest.mark.parametrize(
    ("known", "stage"),
    [
        (upload(delivery("waiting")), "waiting"),
        (upload(delivery("in_flight")), "working"),
        (upload(delivery("waiting", 2)), "retrying"),
        (upload(delivery("in_flight", 2)), "working"),
        (upload(delivery("done"), delivery("held")), "waiting"),
        (upload(delivery("waiting", 2), record=LEASED), "retrying"),
        (upload(delivery("done"), record=PARKED), "in_doubt"),
        (upload(delivery("done"), record={**PARKED, **LEASED}), "working"),
        (upload(delivery("in_flight"), record=PARKED), "working"),
        (upload(delivery("in_flight"), record=GENERATED), "generated"),
        (upload(delivery("done"), record={"park": DEFERRED}), "deferred"),
        (upload(record=LEASED), "working"),
        (upload(record={"lease": Lease(owner="dead", until=NOW - 1)}), "waiting"),
        (upload(delivery("dropped", 11)), "dropped"),
        (upload(delivery("dropped", 11), record={}), "retrying"),
        (upload(delivery("dropped", 11), record=LEASED), "retrying"),
        (upload(delivery("dropped", 11), record=GENERATED), "generated"),
        (upload(delivery("done"), finished={"status": "skipped"}), "skipped"),
        (upload(delivery("done"), finished={"status": "duplicate"}), "waiting"),
        (upload(delivery("waiting", 2), finished={"status": "incomplete"}), "retrying"),
        (upload(delivery("done"), finished={"status": ["?"]}), "waiting"),
    ],
)
def test_the_stage_follows_from_what_is_known(known: UploadCard, stage: str) -> None:
    assert stage == known.stage(NOW)
    assert stage == known.view(NOW)["stage"]


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (upload(delivery("waiting")), ""),
        (upload(delivery("done"), record=PARKED), "Nobody knows."),
        (upload(delivery("done"), finished={"status": "skipped", "reason": "So."}), "So."),
        (
            upload(
                delivery("waiting", 2, last_error="InstanceDied: It ended. Its last lines:\nSecret")
            ),
            "InstanceDied: It ended.",
        ),
        (
            upload(
                delivery(
                    "waiting",
                    2,
                    last_error="DeliveryIncomplete: 1 of 1 uploads must be delivered again: "
                    "photos/uploads/a.png: Another delivery is working on it.",
                )
            ),
            "Another delivery is working on it.",
        ),
        (
            upload(delivery("dropped", 11, dropped_because="10 retries used up", last_error="E")),
            (
                "The platform dropped the event (10 retries used up). "
                "No record of it is left: run it again. E"
            ),
        ),
        (
            upload(delivery("dropped", dropped_because="older than 6"), record={}),
            (
                "The platform dropped the event (older than 6). "
                "Its record stays: the sweep goes on with it."
            ),
        ),
    ],
)
def test_the_reason_says_why_it_has_come_no_further(known: UploadCard, reason: str) -> None:
    assert reason == known.view(NOW)["reason"]


def test_what_a_parked_record_waits_for_is_told() -> None:
    parked = upload(delivery("done"), record=PARKED)

    assert "unsure" == parked.view(NOW)["cause"]
    assert "" == upload(delivery("waiting")).view(NOW)["cause"]


def test_deliveries_are_counted_as_they_began() -> None:
    known = upload(
        delivery("waiting", 3), delivery("in_flight", 2), delivery("done", 1), delivery("held", 1)
    )
    for _ in range(2):
        known.add({"event": "delivery.finished", "status": "duplicate"})

    shown = known.view(NOW)
    assert (2 + 2 + 1 + 0, 2) == (shown["deliveries"], shown["duplicates"])


def test_an_end_has_a_time_and_what_is_parked_has_none_yet() -> None:
    ended = upload(record={**GENERATED, "updated_at": NOW - 1}).view(NOW)
    parked = upload(delivery("done"), record=PARKED).view(NOW)
    dropped = upload(delivery("dropped")).view(NOW)

    assert (NOW - 1, 8.0) == (ended["ended_at"], ended["seconds"])
    assert (None, None) == (parked["ended_at"], parked["seconds"])
    assert (NOW - 3, 6.0) == (dropped["ended_at"], dropped["seconds"])


def test_what_a_line_tells_of_an_image_holds_until_its_record_is_read() -> None:
    known = upload(delivery("done"))
    known.add({"event": "image.generated", "store_uris": ["s/1", 3], "image_urls": "no list"})
    shown = known.view(NOW)

    assert (["s/1"], [], True) == (shown["store_uris"], shown["image_urls"], shown["has_after"])


def test_attempts_are_shown_as_the_record_has_them() -> None:
    tried = Attempt(number=1, output="o-1", sent_at=NOW, outcome="throttled", code="50429", day="d")
    shown = upload(record={"attempts": (tried,)}).view(NOW)

    assert [
        {"number": 1, "output": "o-1", "sent_at": NOW, "outcome": "throttled", "code": "50429",
         "message": ""}
    ] == shown["attempts"]  # fmt: skip


def test_only_so_many_lines_are_kept() -> None:
    known = upload()
    for number in range(500):
        known.add({"event": "x", "number": number})

    assert list(range(200, 500)) == [line["number"] for line in known.lines]
