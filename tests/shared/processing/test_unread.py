"""An object that cannot be read: nothing is lost, and nothing is skipped that may come."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.clients.http import Request, Response
from shared.errors import NotExecuted
from shared.ledger import State
from tests.fakes import World


def timed(world: World, event: dict[str, Any], *, age: float = 0.0) -> dict[str, Any]:
    """Return an event with the time at which it happened."""
    moment = datetime.fromtimestamp(world.clock.now() - age, UTC).isoformat()
    event["data"]["events"][0]["eventTime"] = moment
    return event


def answering(world: World, react: Callable[[Request], Response | None]) -> Any:
    """Return a transport that may answer a HEAD of the object itself."""

    class Transport:
        def send(self, request: Request, timeouts: Any) -> Response:
            is_head = request.method == "HEAD" and request.url.endswith(".png")
            return (react(request) if is_head else None) or world.cloud.send(request, timeouts)

    return Transport()


PERMANENT = [
    pytest.param(Response(400, {"x-tos-ec": "0016-00000001"}, b""), id="SSE-C without its key"),
    pytest.param(Response(405, {}, b""), id="method not allowed"),
    pytest.param(Response(200, {"etag": '"x"'}, b""), id="no length"),
    pytest.param(Response(200, {"content-length": "7"}, b""), id="no ETag"),
    pytest.param(Response(200, {"etag": '"x"', "content-length": "7x"}, b""), id="odd length"),
    pytest.param(Response(200, {"etag": "x", "content-length": "9" * 30}, b""), id="huge length"),
]


@pytest.mark.parametrize("answer", PERMANENT)
def test_unreadable_for_good(world: World, answer: Response) -> None:
    """A refusal that no retry can change ends the upload, with a record that says why."""
    event = world.cloud.upload(prompt="a cat")
    runtime = world.runtime(transport=answering(world, lambda _request: answer))
    result = world.deliver(event, runtime)

    assert "rejected" == result.status
    record = world.ledger.finished(result.record or "")
    assert record is not None
    assert "HEAD" in (record.reason or "")
    assert [] == world.cloud.charges


@pytest.mark.parametrize("status", [401, 403])
def test_denied_object_waits(world: World, status: int) -> None:
    """An object that the role may not read waits for an operator; then it is generated."""
    event = world.cloud.upload(prompt="a cat")
    is_denied = [True]

    def react(_request: Request) -> Response | None:
        return Response(status, {}, b"") if is_denied[0] else None

    runtime = world.runtime(transport=answering(world, react))
    result = world.deliver(event, runtime)
    assert ("deferred", "unread") == (result.status, result.cause)
    assert world.lines.named("configuration.refused")
    assert "deferred" == world.deliver(event, runtime).status

    for _ in range(3):
        world.clock.advance(3700.0)
        world.sweep(runtime)
    assert 1 == len(list(world.ledger.pending_ids()))
    is_denied[0] = False
    for _ in range(3):
        world.clock.advance(3700.0)
        world.sweep(runtime)

    assert 1 == len(world.cloud.charges)
    assert [] == list(world.ledger.pending_ids())
    states = [world.ledger.finished(i) for i, _ in world.ledger.finished_ids()]
    assert {State.GENERATED, State.SUPERSEDED} == {r.state for r in states if r}


def test_denied_key_is_read_decoded(world: World) -> None:
    """A role that may not list gets 403 for a key that is not there: the decoded one is tried."""
    event = world.cloud.upload("uploads/a b.png", prompt="a cat")
    event["data"]["events"][0]["tos"]["object"]["key"] = "uploads/a%20b.png"

    def react(request: Request) -> Response | None:
        return Response(403, {}, b"") if "%2520" in request.url else None

    runtime = world.runtime(transport=answering(world, react))
    assert "generated" == world.deliver(event, runtime).status


def test_not_visible_yet(world: World) -> None:
    """An object that is visible a moment after its event is generated in the same delivery."""
    event = timed(world, world.cloud.upload(prompt="a cat"))
    answers: list[Response | None] = [Response(404, {}, b""), None]
    runtime = world.runtime(transport=answering(world, lambda _request: answers.pop(0)))

    assert "generated" == world.deliver(event, runtime).status


def test_visible_late(world: World) -> None:
    """An object that is not visible for longer has a record, and is generated when it is."""
    event = timed(world, world.cloud.upload(prompt="a cat"))
    hidden = world.cloud.objects.pop(("photos", "uploads/cat.png"))
    assert "deferred" == world.deliver(event).status
    world.cloud.objects["photos", "uploads/cat.png"] = hidden
    world.finish()

    assert 1 == len(world.cloud.charges)


def test_removed_object(world: World) -> None:
    """An object that is gone for good ends skipped, however young its event was."""
    event = timed(world, world.cloud.upload(prompt="a cat"))
    world.cloud.objects.pop(("photos", "uploads/cat.png"))
    result = world.deliver(event)
    world.finish()

    record = world.ledger.finished(result.record or "")
    assert record is not None
    assert (State.SKIPPED, "The object is gone.") == (record.state, record.reason)


@pytest.mark.parametrize("age", [61.0, 86400.0])
def test_old_event(world: World, age: float) -> None:
    """An event that is old by now is skipped at once."""
    event = timed(world, world.cloud.upload(prompt="a cat"), age=age)
    world.cloud.objects.pop(("photos", "uploads/cat.png"))

    assert "skipped" == world.deliver(event).status


def test_stale_version(world: World) -> None:
    """An object that still shows its version from before is not superseded by it."""
    world.cloud.upload(prompt="a dog", body=b"before")
    before = world.cloud.objects["photos", "uploads/cat.png"]
    before.headers["last-modified"] = "Thu, 01 Jan 2026 00:00:00 GMT"
    world.clock.advance(1_800_000_000.0 - world.clock.now())
    event = timed(world, world.cloud.upload(prompt="a cat", body=b"after"))
    after = world.cloud.objects["photos", "uploads/cat.png"]
    world.cloud.objects["photos", "uploads/cat.png"] = before
    assert "deferred" == world.deliver(event).status
    world.cloud.objects["photos", "uploads/cat.png"] = after
    world.finish()

    assert ["a cat"] == [body["ReqJson"]["prompt"] for body in world.cloud.bodies]


def test_later_version(world: World) -> None:
    """An object that was changed after the event is superseded at once."""
    event = timed(world, world.cloud.upload(prompt="a cat", body=b"before"))
    world.cloud.upload(prompt="a dog", body=b"after")
    later = world.cloud.objects["photos", "uploads/cat.png"]
    later.headers["last-modified"] = "Fri, 01 Jan 2100 00:00:00 GMT"

    assert "superseded" == world.deliver(event).status


def test_clock_skew_of_a_head(world: World) -> None:
    """A HEAD that is refused for the clock has no body: its header says so, and its Date helps."""
    event = world.cloud.upload(prompt="a cat")
    refused: list[str] = []

    def react(request: Request) -> Response | None:
        refused.extend(v for k, v in request.headers.items() if k.lower() == "x-tos-date")
        if len(refused) > 1:
            return None
        headers = {"x-tos-ec": "0002-00000018", "date": "Fri, 01 Jan 2100 00:00:00 GMT"}
        return Response(403, headers, b"")

    runtime = world.runtime(transport=answering(world, react))
    assert "generated" == world.deliver(event, runtime).status
    assert refused[1].startswith("21000101T")


def test_unreachable_storage_is_delivered_again(world: World) -> None:
    """Storage that gives no answer fails the delivery: its event comes again."""
    event = world.cloud.upload(prompt="a cat")

    def react(_request: Request) -> Response | None:
        raise NotExecuted("no connection")

    result = world.deliver(event, world.runtime(transport=answering(world, react)))
    assert "incomplete" == result.status
