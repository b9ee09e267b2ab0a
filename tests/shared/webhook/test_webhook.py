"""Whoever wants to know is told what became of each upload: surely, once, and at nobody's cost."""

import json
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
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


@pytest.fixture(params=["tos", "sqlite"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with World() as world:
        world.environment |= ENVIRONMENT
        if request.param == "sqlite":
            world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/ledger.db"
        yield world


@pytest.fixture
def tos_world() -> Iterator[World]:
    """Make a world whose ledger is requests, so that one of them can fail."""
    with World() as world:
        world.environment |= ENVIRONMENT
        yield world


@pytest.fixture
def inbox(world: World) -> Inbox:
    return Inbox(world.cloud)


def waiting(world: World) -> list[str]:
    return list(world.ledger.entry_ids())


def generate(world: World, key: str = "uploads/cat.png", **how: Any) -> str:
    """Deliver an upload, which is generated; return its record's id."""
    result = world.deliver(world.cloud.upload(key, prompt="a cat"), **how)
    assert result.status == "generated"
    assert result.record is not None
    return result.record


def sweep_for(world: World, seconds: float, *, every: float = 60) -> None:
    """Let the sweep tick for so long, once a minute."""
    runtime, until = world.runtime(), world.clock.now() + seconds
    while world.clock.now() < until:
        world.clock.advance(every)
        world.sweep(runtime)


def test_who_made_an_image_tells_of_it_in_a_signed_event(world: World, inbox: Inbox) -> None:
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
    assert [] == waiting(world)
    (line,) = world.lines.named("notice.delivered")
    assert (f"{result.record}-generated", 204, 1) == (line["notice"], line["status"], line["tries"])
    assert result.record == line["record"]


def test_the_request_is_one_of_a_structured_cloudevent(world: World) -> None:
    seen: list[Request] = []

    def receive(request: Request) -> Response:
        seen.append(request)
        return Response(200, {}, b"")

    world.cloud.receiver = receive
    generate(world)

    (request,) = seen
    assert ("POST", ENVIRONMENT["REPAINT_WEBHOOK_URL"]) == (request.method, request.url)
    assert "application/cloudevents+json; charset=utf-8" == request.headers["Content-Type"]


def test_a_rejected_upload_is_told_with_every_reason(world: World, inbox: Inbox) -> None:
    result = world.deliver(world.cloud.upload(prompt="a cat", seed="abc", steps="99"))

    (event,) = inbox.events
    data = event.get_data()
    assert isinstance(data, dict)
    assert "repaint.image.rejected" == event.get_type()
    assert ("rejected", result.reason, 0) == (data["status"], data["reason"], data["attempts"])


def test_an_attribute_holds_no_control_character(world: World, inbox: Inbox) -> None:
    generate(world, "new\nline.png")

    (event,) = inbox.events
    data = event.get_data()
    assert isinstance(data, dict)
    assert ("photos/new%0Aline.png", "new\nline.png") == (event.get_subject(), data["key"])


def test_each_variant_of_an_upload_is_told_by_itself(world: World, inbox: Inbox) -> None:
    world.environment["REPAINT_PRESETS"] = json.dumps([{"prefix": "", "variants": 3}])
    results = world.deliver_all(world.cloud.upload(prompt="a cat"), seconds=900)

    assert {f"{result.record}-generated": 1 for result in results} == inbox.ids
    told = [event.get_data() for event in inbox.events]
    assert {1, 2, 3} == {data["variant"] for data in told if isinstance(data, dict)}


def test_what_is_skipped_superseded_or_delivered_twice_is_no_news(
    world: World, inbox: Inbox
) -> None:
    event = world.cloud.upload(prompt="a cat")
    results = [world.deliver(event), world.deliver(event)]
    results.append(world.deliver(world.cloud.upload("no prompt.png")))
    old = world.cloud.upload("twice.png", body=b"old", prompt="a cat")
    world.cloud.upload("twice.png", body=b"new", prompt="a cat")
    results.append(world.deliver(old))
    sweep_for(world, 300)

    assert ["generated", "duplicate", "skipped", "superseded"] == [r.status for r in results]
    assert {f"{results[0].record}-generated": 1} == inbox.ids


def test_what_is_parked_is_told_the_first_time_and_then_how_it_ended(
    world: World, inbox: Inbox
) -> None:
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


def test_without_a_receiver_nobody_pays_a_request_for_notices(world: World) -> None:
    for name in ENVIRONMENT:
        del world.environment[name]
    generate(world)
    world.deliver(world.cloud.upload("later.png", prompt="a cat"), seconds=20)
    world.finish()

    assert [] == [name for name in world.cloud.requests if "outbox" in name]
    assert [] == waiting(world)


def test_what_the_receiver_did_not_take_the_sweep_delivers_under_the_same_id(
    world: World, inbox: Inbox
) -> None:
    inbox.statuses = [500]
    record = generate(world)
    assert [f"{record}-generated"] == waiting(world)
    sweep_for(world, 120)

    assert {f"{record}-generated": 1} == inbox.ids
    assert [] == waiting(world)
    (failed,) = world.lines.named("notice.failed")
    (delivered,) = world.lines.named("notice.delivered")
    assert ("warning", 500, 1) == (failed["level"], failed["status"], failed["tries"])
    assert ("photos", record, 2) == (delivered["bucket"], delivered["record"], delivered["tries"])


def test_the_pauses_between_two_tries_grow_up_to_an_hour(world: World, inbox: Inbox) -> None:
    inbox.statuses = [503] * 100
    generate(world)
    told_at = world.clock.now()
    sweep_for(world, 5 * 3600)

    minutes = [round((at - told_at) / 60) for at in inbox.tried_at]
    assert [0, 1, 3, 7, 15, 31, 63, 123, 183, 243] == minutes


def test_a_receiver_that_is_dead_for_a_day_is_given_up_with_a_loud_line(
    world: World, inbox: Inbox
) -> None:
    inbox.statuses = [503] * 1000
    record = generate(world)
    sweep_for(world, DAY - 3600, every=600)
    assert [f"{record}-generated"] == waiting(world)
    assert [] == world.lines.named("notice.dropped")
    sweep_for(world, 2 * 3600, every=600)
    tries = len(inbox.tried_at)
    inbox.statuses = []
    sweep_for(world, 2 * 3600, every=600)

    assert [] == waiting(world)
    assert tries == len(inbox.tried_at)
    (line,) = world.lines.named("notice.dropped")
    assert ("error", f"{record}-generated", tries) == (line["level"], line["notice"], line["tries"])
    assert "24 hours" in line["reason"]


@pytest.mark.parametrize("state", ["generated", "parked"])
def test_after_a_day_without_the_sweep_its_first_tick_delivers_all_the_same(
    world: World, inbox: Inbox, state: str
) -> None:
    inbox.statuses = [503]
    seconds = {"generated": 120, "parked": 20}[state]
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=seconds)
    world.clock.advance(DAY + 3600)
    # Where nothing can be begun, what is parked stays so.
    world.sweep(seconds=36)

    assert {f"{result.record}-{state}": 1} == inbox.ids
    assert [] == world.lines.named("notice.dropped")
    assert [] == waiting(world)


def test_after_a_day_without_the_sweep_a_receiver_that_is_dead_is_tried_once_more(
    world: World, inbox: Inbox
) -> None:
    inbox.statuses = [503] * 1000
    record = generate(world)
    world.clock.advance(DAY + 3600)
    world.sweep()

    assert 2 == len(inbox.tried_at)
    (line,) = world.lines.named("notice.dropped")
    assert (f"{record}-generated", 2) == (line["notice"], line["tries"])
    assert [] == waiting(world)


def test_a_park_of_yesterday_that_is_being_worked_on_is_not_dropped_untold(
    world: World, inbox: Inbox
) -> None:
    inbox.statuses = [503]
    result = world.deliver(world.cloud.upload(prompt="a cat"), seconds=20)
    world.clock.advance(DAY + 3600)
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    lease = Lease(owner="x", until=world.clock.now() + 50)
    world.ledger.replace(entry, entry.record.changed(park=None, lease=lease))
    world.sweep()

    assert [f"{result.record}-parked"] == waiting(world)


def test_a_receiver_that_says_it_is_gone_is_not_told_again(world: World, inbox: Inbox) -> None:
    inbox.statuses = [410]
    generate(world)
    sweep_for(world, 300)

    assert 1 == len(inbox.tried_at)
    (line,) = world.lines.named("notice.dropped")
    assert ("error", 410) == (line["level"], line["status"])
    assert [] == world.lines.named("notice.failed")


def test_a_redirect_is_a_failure_that_says_what_to_do(world: World, inbox: Inbox) -> None:
    inbox.statuses = [302]
    generate(world)

    assert 1 == len(inbox.tried_at)
    (line,) = world.lines.named("notice.failed")
    assert "redirects are not followed: set REPAINT_WEBHOOK_URL" in line["reason"]


@pytest.mark.parametrize(
    ("error", "text"),
    [(NotExecuted, "No connection to {place}: Failed to parse: {url}"), (ValueError, "{url}")],
)
def test_neither_the_secret_nor_the_address_of_the_receiver_is_told_to_the_log(
    world: World, error: type[Exception], text: str
) -> None:
    url = ENVIRONMENT["REPAINT_WEBHOOK_URL"]

    def fail(_request: Request) -> Response:
        raise error(text.format(place=url.partition("?")[0], url=url))

    world.cloud.receiver = fail
    generate(world)
    sweep_for(world, DAY + 3600, every=3600)

    assert len(world.lines.named("notice.failed")) > 2
    assert len(world.lines.named("notice.dropped")) == 1
    assert "https://hooks.example.com" in world.lines.named("notice.failed")[0]["reason"]
    for secret in (*TOKENS, SECRET, SECRET.removeprefix("whsec_")):
        assert secret not in world.lines.text


def test_after_a_failure_a_process_leaves_the_first_tries_of_a_minute_to_the_sweep(
    world: World, inbox: Inbox
) -> None:
    inbox.statuses = [503]
    world.cloud.latency = 1.0
    runtime = world.runtime()
    for number in range(5):
        generate(world, f"{number}.png", runtime=runtime)
    assert 1 == len(inbox.tried_at)
    world.clock.advance(61)
    generate(world, "6.png", runtime=runtime)

    assert 2 == len(inbox.tried_at)
    assert 5 == len(waiting(world))
    world.sweep()
    assert [] == waiting(world)
    assert {1} == set(inbox.ids.values())


def test_a_first_try_is_not_begun_where_the_invocation_could_end_before_it(
    world: World, inbox: Inbox
) -> None:
    world.cloud.latency = 34.5
    record = generate(world, seconds=37.1)

    assert [] == inbox.tried_at
    assert [f"{record}-generated"] == waiting(world)


def test_an_end_that_cannot_be_noted_down_is_not_written_and_the_image_is_found_again(
    tos_world: World,
) -> None:
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


def notice(record: str, what: Any, created_at: float = START) -> OutboxEntry:
    kind: Any = f"repaint.image.{what}"
    return OutboxEntry(
        id=f"{record}-{what}", record=record, type=kind,
        created_at=created_at, due_at=created_at, tries=1,
    )  # fmt: skip


def test_what_did_not_happen_yet_waits_and_what_happened_otherwise_is_removed_untold(
    world: World, inbox: Inbox
) -> None:
    world.cloud.reactions = [fakes.nothing_made] * 3
    parked = world.deliver(world.cloud.upload("in doubt.png", prompt="a cat"), seconds=900)
    made = generate(world)
    inbox.events.clear()
    now = world.clock.now()
    for told in (
        notice(parked.record or "", "generated", now),
        notice(made, "rejected", now),
        notice(made, "parked", now),
        notice("f" * 32, "generated", now),
    ):
        world.ledger.put_entry(told)
    sweep_for(world, 300)

    assert [] == inbox.events
    assert {f"{parked.record}-generated", f"{'f' * 32}-generated"} == set(waiting(world))
    world.clock.advance(DAY)
    world.sweep()
    # Of what is pending nobody knows yet whether it comes to be so.
    assert ([], [f"{parked.record}-generated"]) == (inbox.events, waiting(world))
    world.cloud.store(f"repaint/{parked.record}-1")
    world.clock.advance(DAY)
    world.sweep()
    # Once or twice, under one id: who ends it and who goes through the notices meet here.
    assert ([f"{parked.record}-generated"], []) == (list(inbox.ids), waiting(world))
    assert [] == world.lines.named("notice.dropped")


def test_a_notice_that_cannot_be_read_keeps_no_other_one_from_being_told(
    tos_world: World,
) -> None:
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


def test_a_tick_does_not_ask_a_dead_receiver_once_for_each_and_delivers_all_once_it_lives(
    world: World, inbox: Inbox
) -> None:
    inbox.statuses = [503] * 1000
    records = [generate(world, f"{n}.png") for n in range(60)]
    tried = len(inbox.tried_at)
    world.clock.advance(121)
    world.sweep()
    # As many as are sent side by side are on their way when the last of the eight is told.
    assert tried + 8 <= len(inbox.tried_at) <= tried + 15
    inbox.statuses = []
    world.clock.advance(3600)
    world.sweep()

    assert {f"{record}-generated": 1 for record in records} == inbox.ids
    assert [] == waiting(world)


def test_a_slow_receiver_gets_a_share_of_each_tick_until_it_has_been_told_all(
    world: World, inbox: Inbox
) -> None:
    inbox.statuses = [503] * 60
    records = [generate(world, f"{n}.png") for n in range(60)]
    inbox.latency = 10.0
    world.clock.advance(3600)
    world.sweep()
    # Four take more than a quarter of the tick's 120 seconds; some more are on their way by then.
    assert 4 <= len(inbox.events) < 20
    sweep_for(world, 3600)

    assert {f"{record}-generated": 1 for record in records} == inbox.ids


def test_two_sweeps_at_once_tell_once(world: World, inbox: Inbox) -> None:
    inbox.statuses = [503]
    record = generate(world)
    receive = inbox.receive

    def sweep_meanwhile(request: Request) -> Response:
        world.cloud.receiver = receive
        world.sweep()
        return receive(request)

    world.cloud.receiver = sweep_meanwhile
    world.clock.advance(61)
    world.sweep()

    assert {f"{record}-generated": 1} == inbox.ids


def test_the_sweep_tells_of_what_it_finishes_itself(world: World, inbox: Inbox) -> None:
    results = [
        world.deliver(world.cloud.upload(f"{n}.png", prompt="a cat"), seconds=20) for n in range(5)
    ]
    inbox.events.clear()
    world.sweep(seconds=900)

    assert {f"{result.record}-generated": 1 for result in results} == inbox.ids


def test_a_ledger_that_cannot_be_listed_keeps_no_upload_from_being_finished(
    tos_world: World,
) -> None:
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
    """A receiver that answers when it is told to."""

    def __init__(self, world: World) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        self.requests: list[Request] = []
        world.cloud.receiver = self.receive

    def receive(self, request: Request) -> Response:
        self.requests.append(request)
        self.asked.set()
        self.answer.wait()
        return Response(200, {}, b"")

    def answers(self) -> None:
        """Answer, and wait until whoever asked is done with it."""
        self.asked.wait()
        (thread,) = [t for t in threading.enumerate() if t.name.endswith("-generated")]
        self.answer.set()
        thread.join()


def test_an_answer_that_comes_too_late_for_the_delivery_counts_all_the_same(
    tos_world: World,
) -> None:
    hanging = Hanging(tos_world)
    record = generate(tos_world)

    assert [f"{record}-generated"] == waiting(tos_world)
    (failed,) = tos_world.lines.named("notice.failed")
    assert "did not answer within 3 seconds" in failed["reason"]
    hanging.answers()
    assert [] == waiting(tos_world)
    assert 1 == len(tos_world.lines.named("notice.delivered"))


def test_who_asked_by_http_gets_the_answer_before_the_receiver_has_answered(
    tos_world: World,
) -> None:
    """What is done behind the answer is done with the request's credentials still."""
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
    asked = {
        "httpMethod": "POST",
        "path": "/generations",
        "headers": {"Authorization": "Bearer t", "Content-Type": "application/json"},
        "body": json.dumps({"image_url": "https://example.org/cat.png", "prompt": "a cat"}),
    }
    answer = runtime.http_api.answer(asked, request_id="r1", delivery=world.delivery(runtime))

    assert 200 == answer["statusCode"]
    record = json.loads(answer["body"])["id"]
    assert [f"{record}-generated"] == waiting(world)
    hanging.answers()
    assert [] == waiting(world)
    assert [] == world.lines.named("notice.failed")
    (request,) = hanging.requests
    event = read(request, world.clock.now())
    data = event.get_data()
    assert isinstance(data, dict)
    assert (record, None, None) == (event.get_subject(), data["bucket"], data["key"])


def test_a_notice_that_a_newer_version_wrote_can_be_read() -> None:
    text = notice("a" * 32, "parked").to_json().decode()

    assert notice("a" * 32, "parked") == OutboxEntry.from_json(f'{text[:-1]}, "more": 1}}')
