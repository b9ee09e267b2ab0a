"""Each fault: what the client meets, and what the book says."""

import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3
from pydantic import ValidationError
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from local.imagex import Faults, FaultSettings
from tests.local.imagex.imagex_world import World, body, world


@pytest.fixture
def imagex(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as served:
        yield served


def arrange(imagex: World, *script: str, **settings: Any) -> None:
    imagex.faults.replace(FaultSettings(**{"latency_seconds": 0, **settings, "script": script}))


def stored(imagex: World) -> list[bool]:
    return [charge.stored for charge in imagex.billing.charges()]


def wait_until(happened: Callable[[], bool]) -> None:
    """Wait for what is certain to happen, as long as a busy machine may take for it."""
    for _ in range(1000):
        if happened():
            return
        time.sleep(0.02)
    raise AssertionError("what was waited for did not happen")


def files(imagex: World) -> list[str]:
    return [item["Key"] for item in imagex.ask("GetImageStorageFiles").result["Items"]]


def test_a_lost_answer_is_charged_and_stored(imagex: World) -> None:
    arrange(imagex, "lose_answer")

    with pytest.raises(ProtocolError):
        imagex.paint()
    assert ([True], ["out/one"]) == (stored(imagex), files(imagex))
    assert "lose_answer" == imagex.outcomes()[0]


def test_a_lost_answer_may_have_been_a_refusal(imagex: World) -> None:
    arrange(imagex, "none", "lose_answer")
    imagex.paint()

    with pytest.raises(ProtocolError):
        imagex.paint()
    assert [True, False] == stored(imagex)


def test_a_lost_request_is_neither_charged_nor_stored(imagex: World) -> None:
    arrange(imagex, "lose_request")

    with pytest.raises(ProtocolError):
        imagex.paint()
    assert [] == stored(imagex)


def test_a_late_commit_is_charged_and_stored_after_the_connection_closed(imagex: World) -> None:
    arrange(imagex, "commit_late", commit_late_seconds=0.2)

    with pytest.raises(ProtocolError):
        imagex.paint()
    assert [] == stored(imagex)
    wait_until(lambda: bool(stored(imagex)))
    assert ([True], ["out/one"]) == (stored(imagex), files(imagex))


def test_a_late_commit_is_given_up_when_the_server_stops(tmp_path: Path) -> None:
    with world(tmp_path) as imagex:
        arrange(imagex, "commit_late", commit_late_seconds=60)
        with pytest.raises(ProtocolError):
            imagex.paint()
    with world(tmp_path) as imagex:
        assert [] == stored(imagex)


def test_a_charge_without_a_file_is_an_internal_error(imagex: World) -> None:
    arrange(imagex, "charge_without_storing")
    answer = imagex.paint()

    assert (500, "InternalError") == (answer.status, answer.error["Code"])
    assert ([False], []) == (stored(imagex), files(imagex))


def test_an_answer_of_garbage_is_charged_and_stored(imagex: World) -> None:
    arrange(imagex, "garbage")
    answer = imagex.paint()

    assert 200 == answer.status
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json
    assert [True] == stored(imagex)


def test_a_truncated_answer_is_charged_and_stored(imagex: World) -> None:
    arrange(imagex, "truncated")

    with pytest.raises(ProtocolError, match="IncompleteRead"):
        imagex.paint()
    assert [True] == stored(imagex)


@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize(
    ("fault", "status", "number"),
    [
        ("InternalError", 500, 100014),
        ("InternalServiceTimeout", 504, 100016),
        ("600011", 400, 600011),
        ("50500", 200, 50500),
        ("http_502", 502, None),
        ("http_504", 504, None),
    ],
)
def test_an_error_that_leaves_the_outcome_open_comes_before_or_after_the_work(
    imagex: World, fault: str, status: int, number: int | None, executed: bool
) -> None:
    arrange(imagex, fault, executed_before_error=executed)
    answer = imagex.paint()

    assert status == answer.status
    assert [fault] == imagex.outcomes()
    if number is None:
        assert b"<h1>" in answer.content
    elif status == 200:
        assert number == answer.result["RespJson"]["code"]
    else:
        assert number == answer.error["CodeN"]
    assert [True] * executed == stored(imagex)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("FlowLimitExceeded", 429),
        ("50429", 200),
        ("FailToConnect", 502),
        ("ServiceUnavailableTemp", 503),
        ("http_403", 403),
        ("600014", 400),
        ("InvalidTimestamp", 400),
    ],
)
def test_an_error_that_rules_the_work_out_is_never_charged(
    imagex: World, fault: str, status: int
) -> None:
    arrange(imagex, fault, executed_before_error=1)

    assert status == imagex.paint().status
    assert [] == stored(imagex)


def test_a_client_that_gives_up_is_charged_all_the_same(imagex: World) -> None:
    arrange(imagex, latency_seconds=0.5)

    with pytest.raises(ReadTimeoutError):
        imagex.generate(timeout=0.1)
    wait_until(lambda: bool(imagex.billing.calls()))
    assert [True] == stored(imagex)


def test_a_call_over_the_servers_own_time_limit_makes_nothing(imagex: World) -> None:
    arrange(imagex, latency_seconds=60, time_limit_seconds=0.05)

    assert "InternalServiceTimeout" == imagex.paint().error["Code"]
    assert [] == stored(imagex)


def test_calls_over_the_rate_are_throttled_in_both_forms_and_not_charged(imagex: World) -> None:
    arrange(imagex, qps=2)
    answers = [imagex.paint(f"n{number}") for number in range(5)]

    assert [200, 200, 429, 200, 429] == [answer.status for answer in answers]
    assert ["OK", "OK", "FlowLimitExceeded", "50429", "FlowLimitExceeded"] == imagex.outcomes()
    assert [True, True] == stored(imagex)
    imagex.clock.at += 0.5
    assert 200 == imagex.paint("later").status
    assert "OK" == imagex.outcomes()[-1]


@pytest.mark.parametrize(("form", "code"), [("gateway", "FlowLimitExceeded"), ("model", "50429")])
def test_throttling_takes_the_form_that_is_set(imagex: World, form: str, code: str) -> None:
    arrange(imagex, qps=1, throttled_as=form)
    for number in range(3):
        imagex.paint(f"n{number}")

    assert ["OK", code, code] == imagex.outcomes()


def test_calls_over_the_concurrency_are_throttled(imagex: World) -> None:
    arrange(imagex, concurrency=0)

    assert 50430 == imagex.paint().result["RespJson"]["code"]
    arrange(imagex, concurrency=1)
    assert 10000 == imagex.paint("a").result["RespJson"]["code"]
    assert 10000 == imagex.paint("b").result["RespJson"]["code"]


def test_calls_that_wait_take_no_thread(tmp_path: Path) -> None:
    calls = 60  # more than there are threads
    settings = FaultSettings(latency_seconds=600, time_limit_seconds=600)
    with ThreadPoolExecutor(calls) as pool, world(tmp_path, settings) as imagex:
        for number in range(calls):
            pool.submit(imagex.paint, f"n{number}")
        wait_until(lambda: imagex.faults._running == calls)

        assert 200 == imagex.ask("GetImageStorageFiles").status


def test_a_probe_can_fail(imagex: World) -> None:
    arrange(imagex, probe_errors=1)

    assert "InternalError" == imagex.ask("GetImageStorageFiles").error["Code"]
    assert 200 == imagex.paint().status


def test_a_success_may_have_an_empty_answer_of_the_model(imagex: World) -> None:
    arrange(imagex, empty_resp_json=True)

    assert {} == imagex.paint().result["RespJson"]


def test_the_script_is_for_calls_that_are_in_order(imagex: World) -> None:
    arrange(imagex, "InternalError", "none")
    imagex.generate(body(Outputs=[]))
    imagex.ask("GetImageStorageFiles")

    assert ["InternalError", "none"] == list(imagex.faults.settings.script)
    assert 500 == imagex.paint().status
    assert 200 == imagex.paint().status
    assert [] == list(imagex.faults.settings.script)


def test_chance_is_repeatable_and_keeps_the_shares() -> None:
    settings = FaultSettings(lose_answer=0.2, commit_late=0.1, error_rates={"50500": 0.3}, seed=5)
    faults = Faults(settings, random.Random(1))
    first = [faults.draw()[0] for _ in range(2000)]
    faults.replace(settings)
    second = [faults.draw()[0] for _ in range(2000)]

    assert first == second
    shares = {name: round(first.count(name) / 2000, 1) for name in sorted(set(first))}
    assert {"50500": 0.3, "commit_late": 0.1, "lose_answer": 0.2, "none": 0.4} == shares


@pytest.mark.parametrize(
    "settings",
    [
        {"lose_answr": 0.1},
        {"lose_answer": 1.1},
        {"lose_answer": 0.6, "commit_late": 0.6},
        {"script": ["explode"]},
        {"error_rates": {"http_200": 0.1}},
        {"error_rates": {"lose_answer": 0.1}},
        {"latency_seconds": -1},
        {"qps": 0},
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FaultSettings(**settings)


def test_the_stand_ins_own_addresses_show_and_set(imagex: World) -> None:
    http, local = imagex.http, f"{imagex.server.address}/_local"
    changed = http.request("PUT", f"{local}/faults", json={"script": ["InternalError"]})
    assert (200, ["InternalError"]) == (changed.status, changed.json()["script"])
    assert 500 == imagex.paint().status
    assert 200 == imagex.paint().status
    assert [] == http.request("GET", f"{local}/faults").json()["script"]
    [charge] = http.request("GET", f"{local}/charges").json()
    assert ("out/one", True) == (charge["output"], charge["stored"])
    calls = http.request("GET", f"{local}/calls").json()
    assert ["InternalError", "OK"] == [call["outcome"] for call in calls]


def test_settings_that_are_unknown_are_refused_with_their_names(imagex: World) -> None:
    before = imagex.faults.settings
    url = f"{imagex.server.address}/_local/faults"
    refused = imagex.http.request("PUT", url, json={"lose_answr": 1})

    assert 400 == refused.status
    assert ["lose_answr"] == refused.json()["problems"][0]["loc"]
    assert before == imagex.faults.settings


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://HOST"}, 200),
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://rebound.example.com:1", "Host": "rebound.example.com:1"}, 403),
        ({"Host": "rebound.example.com:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["faults", "charges", "calls"])
def test_another_sites_page_may_not_ask_here(
    imagex: World, headers: dict[str, str], status: int, path: str
) -> None:
    headers = {name: value.replace("HOST", imagex.host) for name, value in headers.items()}

    assert status == imagex.get(f"{imagex.server.address}/_local/{path}", **headers).status


def test_a_hundred_random_calls_leave_a_book_that_agrees_with_what_is_stored(
    imagex: World,
) -> None:
    arrange(
        imagex,
        lose_answer=0.1,
        lose_request=0.1,
        charge_without_storing=0.1,
        error_rates={"50500": 0.1, "http_502": 0.1, "garbage": 0.1, "FlowLimitExceeded": 0.1},
        executed_before_error=0.5,
        seed=3,
    )

    def paint(number: int) -> bool:
        try:
            answer = imagex.paint(f"n{number:03}")
            return answer.status == 200 and bool(answer.result["StoreUris"])
        except (HTTPError, json.JSONDecodeError):
            return False

    with ThreadPoolExecutor(10) as pool:
        succeeded = {f"n{number:03}" for number, ok in enumerate(pool.map(paint, range(100))) if ok}

    charges = imagex.billing.charges()
    listed = imagex.ask("GetImageStorageFiles", Limit="1000").result["Items"]
    assert {charge.output for charge in charges if charge.stored} == {i["Key"] for i in listed}
    assert succeeded < {charge.output for charge in charges}
    assert 101 == len(imagex.billing.calls())


def test_a_closed_connection_does_not_spoil_the_next_call(imagex: World) -> None:
    arrange(imagex, "lose_answer", "none")
    with urllib3.PoolManager(retries=False, maxsize=1) as imagex.http:
        with pytest.raises(ProtocolError):
            imagex.paint("a")
        assert 200 == imagex.paint("b").status
