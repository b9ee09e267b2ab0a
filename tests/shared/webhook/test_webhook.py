"""The webhook reports the end of each upload: surely, once, and without delaying any."""

import json
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from shared.clients.http import Request, Response
from shared.errors import NotExecuted
from shared.ledger import Lease, OutboxEntry
from shared.runtime import Runtime
from shared.signing import Credentials
from tests import fakes
from tests.fakes import START, StaticCredentials, World
from tests.inbox import ENVIRONMENT, SECRET, TOKENS, Inbox, read

DAY = 86400.0


@pytest.fixture
def world(world: World) -> World:
    """Return a deployment with a webhook."""
    world.environment |= ENVIRONMENT
    return world


@pytest.fixture
def tos_world(tos_world: World) -> World:
    """Return a deployment with a webhook, whose ledger is requests."""
    tos_world.environment |= ENVIRONMENT
    return tos_world


@pytest.fixture
def inbox(world: World) -> Inbox:
    return Inbox(world.cloud)


def undelivered(world: World) -> list[str]:
    return list(world.ledger.entry_ids())


def generate(world: World, key: str = "uploads/cat.png", **options: Any) -> str:
    """Deliver an upload that is generated; return its record's id."""
    result = world.deliver(world.cloud.upload(key, prompt="a cat"), **options)
    assert result.status == "generated"
    assert result.record is not None
    return result.record


def sweep_for(world: World, seconds: float, *, every: float = 60) -> None:
    """Run the sweep for so many seconds, by default once a minute."""
    runtime, until = world.runtime(), world.clock.now() + seconds
    while world.clock.now() < until:
        world.clock.advance(every)
        world.sweep(runtime)


def test_generated_event(world: World, inbox: Inbox) -> None:
    """A generated image is reported in a signed event."""
    result = world.deliver(world.cloud.upload("猫 1.png", prompt="a cat"))

    (event,) = inbox.events
    time = event.get_time()
    assert time is not None
    assert {
        "specversion": "1.0",
        "id": f"{result.record}-generated",
        "type": "repaint.image.generated",
        "source": "/repaint/serviceid",
        "subject": "photos/猫 1.png",
        "time": time,
        "datacontenttype": "application/json",
    } == event.get_attributes()
    assert START + world.cloud.latency == time.timestamp()
    assert {
        "record": result.record,
        "bucket": "photos",
        "key": "猫 1.png",
        "status": "generated",
        "reason": "",
        "image_urls": list(result.image_urls),
        "store_uris": list(result.store_uris),
        "attempts": 1,
    } == event.get_data()
    assert [] == undelivered(world)
    (line,) = world.lines.named("notice.delivered")
    assert (f"{result.record}-generated", 204, 1) == (line["notice"], line["status"], line["tries"])
    assert result.record == line["record"]


def test_request(world: World) -> None:
    """The request is a CloudEvent in structured mode."""
    seen: list[Request] = []

    def receive(request: Request) -> Response:
        seen.append(request)
        return Response(200, {}, b"")

    world.cloud.endpoint = receive
    generate(world)

    (request,) = seen
    assert ("POST", ENVIRONMENT["REPAINT_WEBHOOK_URL"]) == (request.method, request.url)
    assert "application/cloudevents+json; charset=utf-8" == request.headers["Content-Type"]


def test_rejected_event(world: World, inbox: Inbox) -> None:
    """A rejected upload is reported with every reason."""
    result = world.deliver(world.cloud.upload(prompt="a cat", seed="abc", steps="99"))

    (event,) = inbox.events
    data = event.get_data()
    assert isinstance(data, dict)
    assert "repaint.image.rejected" == event.get_type()
    assert ("rejected", result.reason, 0) == (data["status"], data["reason"], data["attempts"])


def test_control_character(world: World, inbox: Inbox) -> None:
    """An attribute holds no control character."""
    generate(world, "new\nline.png")

    (event,) = inbox.events
    data = event.get_data()
    assert isinstance(data, dict)
    assert ("photos/new%0Aline.png", "new\nline.png") == (event.get_subject(), data["key"])


def test_variant_events(world: World, inbox: Inbox) -> None:
    """Each variant of an upload has an event of its own."""
    world.environment["REPAINT_PRESETS"] = json.dumps([{"prefix": "", "variants": 3}])
    results = world.deliver_all(world.cloud.upload(prompt="a cat"), seconds=900)

    assert {f"{result.record}-generated": 1 for result in results} == inbox.ids
    data = [event.get_data() for event in inbox.events]
    assert {1, 2, 3} == {each["variant"] for each in data if isinstance(each, dict)}


def test_no_event(world: World, inbox: Inbox) -> None:
    """A skipped, superseded or duplicate delivery sends no event."""
    event = world.cloud.upload(prompt="a cat")
    results = [world.deliver(event), world.deliver(event)]
    results.append(world.deliver(world.cloud.upload("no prompt.png")))
    old = world.cloud.upload("twice.png", body=b"old", prompt="a cat")
    world.cloud.upload("twice.png", body=b"new", prompt="a cat")
    results.append(world.deliver(old))
    sweep_for(world, 300)

    assert ["generated", "duplicate", "skipped", "superseded"] == [r.status for r in results]
    assert {f"{results[0].record}-generated": 1} == inbox.ids


def test_parked_event(world: World, inbox: Inbox) -> None:
    """A parked upload is reported the first time, and then its end."""
    event = world.cloud.upload(prompt="a cat")
    first = world.deliver(event, seconds=20)
    world.cloud.reactions = [fakes.model_refuses(50400)]
    world.sweep()
    again = world.ledger.pending(first.record or "")
    assert again is not None
    world.finish()

    assert again.record.park is not None
    assert ("deferred", "configuration") == (first.status, again.record.park.cause)
    assert {f"{first.record}-parked": 1, f"{first.record}-generated": 1} == inbox.ids
    parked = inbox.events[0].get_data()
    assert isinstance(parked, dict)
    assert ("deferred", first.reason) == (parked["status"], parked["reason"])


def test_without_endpoint(world: World) -> None:
    """Without an endpoint the outbox costs no request."""
    for name in ENVIRONMENT:
        del world.environment[name]
    generate(world)
    world.deliver(world.cloud.upload("later.png", prompt="a cat"), seconds=20)
    world.finish()

    assert [] == [name for name in world.cloud.requests if "outbox" in name]
    assert [] == undelivered(world)


def test_retried_by_sweep(world: World, inbox: Inbox) -> None:
    """The sweep delivers an event that failed, under the same id."""
    inbox.statuses = [500]
    record = generate(world)
    assert [f"{record}-generated"] == undelivered(world)
    sweep_for(world, 120)

    assert {f"{record}-generated": 1} == inbox.ids
    assert [] == undelivered(world)
    (failed,) = world.lines.named("notice.failed")
    (delivered,) = world.lines.named("notice.delivered")
    assert ("warning", 500, 1) == (failed["level"], failed["status"], failed["tries"])
    assert ("photos", record, 2) == (delivered["bucket"], delivered["record"], delivered["tries"])


def test_pauses(world: World, inbox: Inbox) -> None:
    """The pauses between tries grow up to an hour."""
    inbox.statuses = [503] * 100
    generate(world)
    ended_at = world.clock.now()
    sweep_for(world, 5 * 3600)

    minutes = [round((at - ended_at) / 60) for at in inbox.tried_at]
    assert [0, 1, 3, 7, 15, 31, 63, 123, 183, 243] == minutes


def test_dead_for_a_day(world: World, inbox: Inbox) -> None:
    """An event is dropped, with an error in the log, after a day of failures."""
    inbox.statuses = [503] * 1000
    record = generate(world)
    sweep_for(world, DAY - 3600, every=600)
    assert [f"{record}-generated"] == undelivered(world)
    assert [] == world.lines.named("notice.dropped")
    sweep_for(world, 2 * 3600, every=600)
    tries = len(inbox.tried_at)
    inbox.statuses = []
    sweep_for(world, 2 * 3600, every=600)

    assert [] == undelivered(world)
    assert tries == len(inbox.tried_at)
    (line,) = world.lines.named("notice.dropped")
    assert ("error", f"{record}-generated", tries) == (line["level"], line["notice"], line["tries"])
    assert "24 hours" in line["reason"]


@pytest.mark.parametrize("state", ["generated", "parked"])
def test_day_without_sweep(world: World, inbox: Inbox, state: str) -> None:
    """After a day without the sweep its first tick delivers all the same."""
    inbox.statuses = [503]
    seconds = {"generated": 120, "parked": 20}[state]
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=seconds)
    world.clock.advance(DAY + 3600)
    # Without the time for a call, a parked record stays parked.
    world.sweep(seconds=36)

    assert {f"{result.record}-{state}": 1} == inbox.ids
    assert [] == world.lines.named("notice.dropped")
    assert [] == undelivered(world)


def test_day_without_sweep_dead(world: World, inbox: Inbox) -> None:
    """After a day without the sweep a dead endpoint is tried once more."""
    inbox.statuses = [503] * 1000
    record = generate(world)
    world.clock.advance(DAY + 3600)
    world.sweep()

    assert 2 == len(inbox.tried_at)
    (line,) = world.lines.named("notice.dropped")
    assert (f"{record}-generated", 2) == (line["notice"], line["tries"])
    assert [] == undelivered(world)


def test_old_park_kept(world: World, inbox: Inbox) -> None:
    """The event of an old park stays while its record is being worked on."""
    inbox.statuses = [503]
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=20)
    world.clock.advance(DAY + 3600)
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    lease = Lease(owner="x", until=world.clock.now() + 50)
    world.ledger.replace(entry, entry.record.changed(park=None, lease=lease))
    world.sweep()

    assert [f"{result.record}-parked"] == undelivered(world)


def test_endpoint_gone(world: World, inbox: Inbox) -> None:
    """An endpoint that answers 410 gets the event no more."""
    inbox.statuses = [410]
    generate(world)
    sweep_for(world, 300)

    assert 1 == len(inbox.tried_at)
    (line,) = world.lines.named("notice.dropped")
    assert ("error", 410) == (line["level"], line["status"])
    assert [] == world.lines.named("notice.failed")


def test_redirect(world: World, inbox: Inbox) -> None:
    """A redirect is a failure, logged with the way to fix it."""
    inbox.statuses = [302]
    generate(world)

    assert 1 == len(inbox.tried_at)
    (line,) = world.lines.named("notice.failed")
    assert "redirects are not followed: set REPAINT_WEBHOOK_URL" in line["reason"]


@pytest.mark.parametrize(
    ("error", "text"),
    [(NotExecuted, "No connection to {place}: Failed to parse: {url}"), (ValueError, "{url}")],
)
def test_nothing_secret_logged(world: World, error: type[Exception], text: str) -> None:
    """The log has neither the secret nor the endpoint's address."""
    url = ENVIRONMENT["REPAINT_WEBHOOK_URL"]

    def fail(_request: Request) -> Response:
        raise error(text.format(place=url.partition("?")[0], url=url))

    world.cloud.endpoint = fail
    generate(world)
    sweep_for(world, DAY + 3600, every=3600)

    assert len(world.lines.named("notice.failed")) > 2
    assert len(world.lines.named("notice.dropped")) == 1
    assert "https://hooks.example.com" in world.lines.named("notice.failed")[0]["reason"]
    for secret in (*TOKENS, SECRET, SECRET.removeprefix("whsec_")):
        assert secret not in world.lines.text


def test_rest_after_failure(world: World, inbox: Inbox) -> None:
    """After a failure a process leaves the first tries of a minute to the sweep."""
    inbox.statuses = [503]
    world.cloud.latency = 1.0
    runtime = world.runtime()
    for number in range(5):
        generate(world, f"{number}.png", runtime=runtime)
    assert 1 == len(inbox.tried_at)
    world.clock.advance(61)
    generate(world, "6.png", runtime=runtime)

    assert 2 == len(inbox.tried_at)
    assert 5 == len(undelivered(world))
    world.sweep()
    assert [] == undelivered(world)
    assert {1} == set(inbox.ids.values())


def test_no_time_for_try(world: World, inbox: Inbox) -> None:
    """A first try is not begun if the invocation could end before it."""
    world.cloud.latency = 34.5
    record = generate(world, seconds=37.1)

    assert [] == inbox.tried_at
    assert [f"{record}-generated"] == undelivered(world)


def test_outbox_down(tos_world: World) -> None:
    """An end is not written without its event, and the image is found later."""
    world, inbox = tos_world, Inbox(tos_world.cloud)
    event = world.cloud.upload(prompt="a cat")

    def refuse(name: str, _request: Request) -> None:
        if name.startswith("PUT /.repaint/outbox/"):
            raise NotExecuted("down")

    world.cloud.interfere = refuse
    assert "incomplete" == world.deliver(event).status
    world.cloud.interfere = lambda _name, _request: None
    world.clock.advance(60)
    result = world.deliver(event)

    assert ("generated", 1) == (result.status, len(world.cloud.charges))
    assert {f"{result.record}-generated": 1} == inbox.ids


def outbox_entry(record: str, what: Any, created_at: float = START) -> OutboxEntry:
    kind: Any = f"repaint.image.{what}"
    return OutboxEntry(
        id=f"{record}-{what}", record=record, type=kind,
        created_at=created_at, due_at=created_at, tries=1,
    )  # fmt: skip


def test_untrue_events(world: World, inbox: Inbox) -> None:
    """An event that is not true yet waits; one that will never be true is removed."""
    world.cloud.reactions = [fakes.nothing_made] * 3
    parked = world.deliver(world.cloud.upload("in doubt.png", prompt="a cat"), seconds=900)
    made = generate(world)
    inbox.events.clear()
    now = world.clock.now()
    for entry in (
        outbox_entry(parked.record or "", "generated", now),
        outbox_entry(made, "rejected", now),
        outbox_entry(made, "parked", now),
        outbox_entry("f" * 32, "generated", now),
    ):
        world.ledger.put_entry(entry)
    sweep_for(world, 300)

    assert [] == inbox.events
    assert {f"{parked.record}-generated", f"{'f' * 32}-generated"} == set(undelivered(world))
    world.clock.advance(DAY)
    world.sweep()
    # The event of a pending record may still become true.
    assert ([], [f"{parked.record}-generated"]) == (inbox.events, undelivered(world))
    world.cloud.store(f"repaint/{parked.record}-1")
    world.clock.advance(DAY)
    world.sweep()
    # Once or twice, under one id: the record's owner and the outbox's sender meet here.
    assert ([f"{parked.record}-generated"], []) == (list(inbox.ids), undelivered(world))
    assert [] == world.lines.named("notice.dropped")


def test_damaged_entry(tos_world: World) -> None:
    """A damaged outbox entry does not stop the others."""
    world, inbox = tos_world, Inbox(tos_world.cloud)
    inbox.statuses = [503]
    record = generate(world)
    damaged = fakes.StoredObject(b"{", {}, 1)
    world.cloud.objects["photos", ".repaint/outbox/damaged.json"] = damaged
    sweep_for(world, 120)

    assert {f"{record}-generated": 1} == inbox.ids
    line = world.lines.named("notice.failed")[-1]
    assert ("damaged", "An outbox entry in the ledger cannot be read: remove it.") == (
        line["notice"],
        line["reason"],
    )


def test_tick_gives_up_early(world: World, inbox: Inbox) -> None:
    """A tick tries a dead endpoint a few times only, and delivers all once it works."""
    inbox.statuses = [503] * 1000
    records = [generate(world, f"{n}.png") for n in range(60)]
    tried = len(inbox.tried_at)
    world.clock.advance(121)
    world.sweep()
    # Several are sent side by side, so some more are on their way when the eighth has failed.
    assert tried + 8 <= len(inbox.tried_at) <= tried + 15
    inbox.statuses = []
    world.clock.advance(3600)
    world.sweep()

    assert {f"{record}-generated": 1 for record in records} == inbox.ids
    assert [] == undelivered(world)


def test_slow_endpoint(world: World, inbox: Inbox) -> None:
    """A slow endpoint takes a share of each tick until it has all events."""
    inbox.statuses = [503] * 60
    records = [generate(world, f"{n}.png") for n in range(60)]
    inbox.latency = 10.0
    world.clock.advance(3600)
    world.sweep()
    # Four take more than a quarter of the tick's 120 seconds; some more are on their way by then.
    assert 4 <= len(inbox.events) < 20
    sweep_for(world, 3600)

    assert {f"{record}-generated": 1 for record in records} == inbox.ids


def test_two_sweeps(world: World, inbox: Inbox) -> None:
    """Two sweeps at once send an event once."""
    inbox.statuses = [503]
    record = generate(world)
    receive = inbox.receive

    def sweep_meanwhile(request: Request) -> Response:
        world.cloud.endpoint = receive
        world.sweep()
        return receive(request)

    world.cloud.endpoint = sweep_meanwhile
    world.clock.advance(61)
    world.sweep()

    assert {f"{record}-generated": 1} == inbox.ids


def test_sweep_events(world: World, inbox: Inbox) -> None:
    """The sweep reports what it finishes itself."""
    results = [
        world.deliver(world.cloud.upload(f"{n}.png", prompt="a cat"), seconds=20) for n in range(5)
    ]
    inbox.events.clear()
    world.sweep(seconds=900)

    assert {f"{result.record}-generated": 1 for result in results} == inbox.ids


def test_outbox_not_listed(tos_world: World) -> None:
    """Uploads are finished even if the outbox cannot be listed."""
    world, inbox = tos_world, Inbox(tos_world.cloud)
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=20)

    def refuse(_name: str, request: Request) -> None:
        if "outbox" in request.url and request.method == "GET":
            raise NotExecuted("down")

    world.cloud.interfere = refuse
    assert 1 == world.sweep()["generated"]
    assert "down" in world.lines.named("notice.failed")[0]["reason"]
    assert f"{result.record}-generated" in inbox.ids


class Hanging:
    """An endpoint that answers only after `release`."""

    def __init__(self, world: World) -> None:
        self.received, self.answer = threading.Event(), threading.Event()
        self.requests: list[Request] = []
        world.cloud.endpoint = self.receive

    def receive(self, request: Request) -> Response:
        self.requests.append(request)
        self.received.set()
        self.answer.wait()
        return Response(200, {}, b"")

    def release(self) -> None:
        """Answer, and wait until the sender is done with it."""
        self.received.wait()
        (thread,) = [t for t in threading.enumerate() if t.name.endswith("-generated")]
        self.answer.set()
        thread.join()


def test_late_answer(tos_world: World) -> None:
    """An answer that is too late for the delivery counts all the same."""
    hanging = Hanging(tos_world)
    record = generate(tos_world)

    assert [f"{record}-generated"] == undelivered(tos_world)
    (failed,) = tos_world.lines.named("notice.failed")
    assert "did not answer within 3 seconds" in failed["reason"]
    hanging.release()
    assert [] == undelivered(tos_world)
    assert 1 == len(tos_world.lines.named("notice.delivered"))


def test_http_does_not_wait(tos_world: World) -> None:
    """A caller gets the answer before the endpoint has answered."""
    # The sender, which goes on after the answer, still has the request's credentials.
    world, hanging = tos_world, Hanging(tos_world)
    credentials = ContextVar[Credentials]("credentials of the request")
    credentials.set(StaticCredentials().get())
    settings = {"REPAINT_HTTP_TOKENS": "t", "REPAINT_LEDGER": "tos://photos/.repaint/"}
    runtime = Runtime(
        {**world.environment, **settings},
        log=world.lines.log,
        clock=world.clock,
        transport=world.cloud,
        credentials=credentials,
    )
    request_event = {
        "httpMethod": "POST",
        "path": "/generations",
        "headers": {"Authorization": "Bearer t", "Content-Type": "application/json"},
        "body": json.dumps({"image_url": "https://example.org/cat.png", "prompt": "a cat"}),
    }
    answer = runtime.http_api.handle(
        request_event, request_id="r1", delivery=world.delivery(runtime)
    )

    assert 200 == answer["statusCode"]
    record = json.loads(answer["body"])["id"]
    assert [f"{record}-generated"] == undelivered(world)
    hanging.release()
    assert [] == undelivered(world)
    assert [] == world.lines.named("notice.failed")
    (request,) = hanging.requests
    event = read(request, world.clock.now())
    data = event.get_data()
    assert isinstance(data, dict)
    assert (record, None, None) == (event.get_subject(), data["bucket"], data["key"])


def test_newer_entry() -> None:
    """An outbox entry of a newer version can be read."""
    text = outbox_entry("a" * 32, "parked").to_json().decode()

    assert outbox_entry("a" * 32, "parked") == OutboxEntry.from_json(f'{text[:-1]}, "more": 1}}')
