"""What calls a deployed function: timers, the rules of buckets, and the gateway."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tos
import urllib3
import volcenginesdkvefaas as sdk
from tos.exceptions import TosServerError
from tos.models2 import (
    DestinationVeFaaS,
    NotificationDestination,
    NotificationFilter,
    NotificationFilterKey,
    NotificationFilterRule,
    NotificationRule,
)

from local.cloud import UPLOADS_BUCKET, Cloud
from local.vefaas.runtime import DeliverySettings
from tests.local.vefaas.plane_world import ECHO, Operator, code, operator, refused

pytestmark = pytest.mark.filterwarnings(
    # The official clients' own, on Python 3.12 and later.
    "ignore:datetime.datetime.utcnow:DeprecationWarning"
)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    settings = DeliverySettings(retry_delays=[0])
    with Cloud(tmp_path / "cloud", bare=True, delivery=settings) as cloud:
        yield cloud


@pytest.fixture
def op(cloud: Cloud) -> Iterator[Operator]:
    with operator(cloud.vefaas.address, cloud.credentials) as who:
        yield who


@pytest.fixture
def storage(cloud: Cloud) -> Iterator[tos.TosClientV2]:
    """The official client, unchanged; its proxy setting leads it to the local cloud."""
    client = tos.TosClientV2(
        cloud.credentials.access_key,
        cloud.credentials.secret_key,
        "http://tos-cn-beijing.volces.com",
        "cn-beijing",
        proxy_host="127.0.0.1",
        proxy_port=cloud.tos.port,
        dns_cache_time=0,
    )
    yield client
    client.close()


def make_timer(op: Operator, function_id: str, name: str = "tick", **settings: Any) -> Any:
    asked = {"function_id": function_id, "name": name, "crontab": "*/5 * * * *", **settings}
    return op.api.create_timer(sdk.CreateTimerRequest(**asked))


def triggers(op: Operator, function_id: str) -> list[Any]:
    return list(op.api.list_triggers(sdk.ListTriggersRequest(function_id=function_id)).items)


def rule(function_id: str, name: str = "uploads") -> NotificationRule:
    prefix = NotificationFilterRule("prefix", "uploads/")
    return NotificationRule(
        name,
        ["tos:ObjectCreated:*"],
        NotificationFilter(NotificationFilterKey([prefix])),
        NotificationDestination(ve_faas=[DestinationVeFaaS(function_id)]),
    )


def connect(storage: tos.TosClientV2, *rules: NotificationRule) -> None:
    version = storage.get_bucket_notification_type2(UPLOADS_BUCKET).version
    storage.put_bucket_notification_type2(UPLOADS_BUCKET, list(rules), version)


def test_a_timer_calls_the_function_with_its_payload(op: Operator, cloud: Cloud) -> None:
    function_id = op.deploy("paint-one", code(ECHO))

    timer = make_timer(op, function_id, payload="红")

    event = json.loads(cloud.platform.tick(timer.id).body)["event"]
    assert ("faas.timer.event", "红") == (event["type"], event["data"])
    assert f"/faas/event/timer/{timer.id}" == event["source"]
    (kept,) = cloud.platform.timers
    assert 0 == kept.next_due % 300


def test_a_timer_needs_a_function_that_was_released_once(op: Operator) -> None:
    function_id = op.create("paint-one", code(ECHO))

    status, error, message = refused(lambda: make_timer(op, function_id))

    assert (403, "InvalidOperation") == (status, error)
    assert "never released" in message


@pytest.mark.parametrize("wrong", ["* * * *", "60", "61 * * * *", "@hourly", "0 0 30 2 *"])
def test_a_timer_needs_a_crontab_of_five_fields(op: Operator, wrong: str) -> None:
    function_id = op.deploy("paint-one", code(ECHO))

    status, error, message = refused(lambda: make_timer(op, function_id, crontab=wrong))

    assert (400, "InvalidParameter") == (status, error)
    assert "Crontab" in message
    assert [] == triggers(op, function_id)


def test_a_function_has_one_timer_of_a_name_and_another_may_have_it_too(
    op: Operator, cloud: Cloud
) -> None:
    one, two = op.deploy("paint-one", code(ECHO)), op.deploy("paint-two", code(ECHO))
    make_timer(op, one)

    make_timer(op, two)

    assert (409, "DuplicatedResource") == refused(lambda: make_timer(op, one))[:2]
    assert [one, two] == [timer.function_id for timer in cloud.platform.timers]


def test_a_timer_is_changed_switched_off_and_deleted(op: Operator, cloud: Cloud) -> None:
    function_id = op.deploy("paint-one", code(ECHO))
    timer = make_timer(op, function_id, payload="red")
    which = {"function_id": function_id, "id": timer.id}

    op.api.update_timer(sdk.UpdateTimerRequest(**which, crontab="0 * * * *"))
    told = op.api.get_timer(sdk.GetTimerRequest(**which))
    assert ("0 * * * *", "red", True) == (told.crontab, told.payload, told.enabled)
    assert 0 == next(iter(cloud.platform.timers)).next_due % 3600
    op.api.update_timer(sdk.UpdateTimerRequest(**which, enabled=False))
    assert [] == list(cloud.platform.timers)
    op.api.delete_timer(sdk.DeleteTimerRequest(**which))
    absent = refused(lambda: op.api.get_timer(sdk.GetTimerRequest(**which)))
    assert (404, "ResourceNotFound") == absent[:2]


def test_a_timer_that_the_local_platform_cannot_imitate_is_refused(op: Operator) -> None:
    function_id = op.deploy("paint-one", code(ECHO))

    for unlike in ({"retries": 3}, {"enable_concurrency": True}):
        call = refused(lambda unlike=unlike: make_timer(op, function_id, **unlike))  # type: ignore[misc]
        assert (403, "InvalidOperation") == call[:2]


def test_timers_fire_again_in_a_cloud_that_starts_again(tmp_path: Path) -> None:
    with (
        Cloud(tmp_path / "c", bare=True) as first,
        operator(first.vefaas.address, first.credentials) as op,
    ):
        timer = make_timer(op, op.deploy("paint-one", code(ECHO)))

    with Cloud(tmp_path / "c", bare=True) as second:
        assert [timer.id] == [each.id for each in second.platform.timers]
        assert second.platform.tick(timer.id).failure is None


def test_a_rule_needs_a_function_that_was_released_once(
    op: Operator, storage: tos.TosClientV2
) -> None:
    function_id = op.create("paint-one", code(ECHO))

    with pytest.raises(TosServerError) as caught:
        connect(storage, rule(function_id))

    assert (400, "InvalidArgument") == (caught.value.status_code, caught.value.code)
    assert "release it once" in caught.value.message
    op.release(function_id)
    connect(storage, rule(function_id))


def test_what_happens_in_a_bucket_calls_the_deployed_function_again_until_it_succeeds(
    op: Operator, storage: tos.TosClientV2, cloud: Cloud, tmp_path: Path
) -> None:
    text = """
        import os, pathlib
        def handler(event, context):
            seen = pathlib.Path(os.environ["SEEN"])
            entry = event["data"]["events"][0]["tos"]
            with seen.open("a") as lines:
                lines.write(entry["object"]["key"] + chr(10))
            if len(seen.read_text().splitlines()) < 3:
                raise OSError("not yet")
    """
    seen = tmp_path / "seen"
    dedented = "\n".join(line[8:] for line in text.splitlines())
    function_id = op.deploy("paint-one", code(dedented), envs={"SEEN": str(seen)})
    connect(storage, rule(function_id))

    storage.put_object(UPLOADS_BUCKET, "uploads/猫.png", content=b"cat")
    storage.put_object(UPLOADS_BUCKET, "elsewhere/dog.png", content=b"dog")

    assert cloud.platform.wait_idle()
    assert ["uploads/猫.png"] * 3 == seen.read_text("utf-8").splitlines()
    assert 1 == cloud.platform.queue.snapshot().done


def test_the_triggers_of_a_function_are_its_timers_and_the_rules_that_name_it(
    op: Operator, storage: tos.TosClientV2
) -> None:
    function_id = op.deploy("paint-one", code(ECHO))
    make_timer(op, function_id, enabled=False)
    connect(storage, rule(function_id))

    found = triggers(op, function_id)

    assert [("timer", "tick", False), ("tos", "uploads", True)] == [
        (each.type, each.name, each.enabled) for each in found
    ]
    assert UPLOADS_BUCKET == json.loads(found[1].detailed_config)["BucketName"]
    assert 2 == op.api.get_function(sdk.GetFunctionRequest(id=function_id)).triggers_count


def test_a_function_that_is_still_called_is_not_deleted(
    op: Operator, storage: tos.TosClientV2
) -> None:
    function_id = op.deploy("paint-one", code(ECHO))
    timer = make_timer(op, function_id)
    connect(storage, rule(function_id))
    delete = sdk.DeleteFunctionRequest(id=function_id)

    status, error, message = refused(lambda: op.api.delete_function(delete))

    assert (403, "InvalidOperation") == (status, error)
    assert f"tick, uploads of {UPLOADS_BUCKET}" in message
    op.api.delete_timer(sdk.DeleteTimerRequest(function_id=function_id, id=timer.id))
    assert 403 == refused(lambda: op.api.delete_function(delete))[0]
    connect(storage)
    op.api.delete_function(delete)


def test_the_gateway_leads_to_the_function_that_was_deployed_for_http(
    op: Operator, cloud: Cloud
) -> None:
    before = urllib3.request("GET", f"{cloud.gateway.address}/healthz", timeout=10.0)
    op.deploy("paint-dev-http", code(ECHO))

    answer = urllib3.request("POST", f"{cloud.gateway.address}/a?b=c", body=b"d", timeout=10.0)

    assert 503 == before.status
    event = answer.json()["event"]
    assert ("POST", "/a", {"b": "c"}, "d") == (
        event["httpMethod"],
        event["path"],
        event["queryStringParameters"],
        event["body"],
    )
