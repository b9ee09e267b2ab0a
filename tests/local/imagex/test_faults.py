"""Each fault: the response of the client, and the billing records."""

import json
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3
from pydantic import ValidationError
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from local.imagex import Faults, FaultSettings
from tests.local.imagex.client import (
    World,
    body,
    world,
)


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


def test_lose_answer(imagex: World) -> None:
    """A generation whose response is lost is charged and stored."""
    arrange(imagex, "lose_answer")

    with pytest.raises(ProtocolError):
        imagex.paint()
    assert ([True], ["out/one"]) == (stored(imagex), files(imagex))
    assert "lose_answer" == imagex.outcomes()[0]


def test_lose_refusal(imagex: World) -> None:
    """A lost response may be a refusal."""
    arrange(imagex, "none", "lose_answer")
    imagex.paint()

    with pytest.raises(ProtocolError):
        imagex.paint()
    assert [True, False] == stored(imagex)


def test_lose_request(imagex: World) -> None:
    """A lost request is neither charged nor stored."""
    arrange(imagex, "lose_request")

    with pytest.raises(ProtocolError):
        imagex.paint()
    assert [] == stored(imagex)


def test_commit_late(imagex: World) -> None:
    """A late commit is charged and stored after the connection closed."""
    arrange(imagex, "commit_late", commit_late_seconds=0.2)

    with pytest.raises(ProtocolError):
        imagex.paint()
    assert [] == stored(imagex)
    wait_until(lambda: bool(stored(imagex)))
    assert ([True], ["out/one"]) == (stored(imagex), files(imagex))


def test_commit_late_cancelled(tmp_path: Path) -> None:
    """A late commit is cancelled if the server stops."""
    with world(tmp_path) as imagex:
        arrange(imagex, "commit_late", commit_late_seconds=60)
        with pytest.raises(ProtocolError):
            imagex.paint()
    with world(tmp_path) as imagex:
        assert [] == stored(imagex)


def test_charge_without_storing(imagex: World) -> None:
    """A charge without a file is an internal error."""
    arrange(imagex, "charge_without_storing")
    answer = imagex.paint()

    assert (500, "InternalError") == (answer.status, answer.error["Code"])
    assert ([False], []) == (stored(imagex), files(imagex))


def test_garbage(imagex: World) -> None:
    """A generation with a garbled response is charged and stored."""
    arrange(imagex, "garbage")
    answer = imagex.paint()

    assert 200 == answer.status
    with pytest.raises(json.JSONDecodeError):
        _ = answer.json
    assert [True] == stored(imagex)


def test_truncated(imagex: World) -> None:
    """A generation with a truncated response is charged and stored."""
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
def test_ambiguous_error(
    imagex: World, fault: str, status: int, number: int | None, executed: bool
) -> None:
    """An error that leaves the outcome open comes before or after the work."""
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
def test_unambiguous_error(imagex: World, fault: str, status: int) -> None:
    """An error that excludes the work is never charged."""
    arrange(imagex, fault, executed_before_error=1)

    assert status == imagex.paint().status
    assert [] == stored(imagex)


def test_client_timeout(imagex: World) -> None:
    """A call is charged even if its client gives up."""
    arrange(imagex, latency_seconds=0.5)

    with pytest.raises(ReadTimeoutError):
        imagex.generate(timeout=0.1)
    wait_until(lambda: bool(imagex.billing.calls()))
    assert [True] == stored(imagex)


def test_server_timeout(imagex: World) -> None:
    """A call over the server's own time limit makes nothing."""
    arrange(imagex, latency_seconds=60, time_limit_seconds=0.05)

    assert "InternalServiceTimeout" == imagex.paint().error["Code"]
    assert [] == stored(imagex)


def test_rate(imagex: World) -> None:
    """Calls over the rate are throttled in both forms, and not charged."""
    arrange(imagex, qps=2)
    answers = [imagex.paint(f"n{number}") for number in range(5)]

    assert [200, 200, 429, 200, 429] == [answer.status for answer in answers]
    assert ["OK", "OK", "FlowLimitExceeded", "50429", "FlowLimitExceeded"] == imagex.outcomes()
    assert [True, True] == stored(imagex)
    imagex.clock.at += 0.5
    assert 200 == imagex.paint("later").status
    assert "OK" == imagex.outcomes()[-1]


@pytest.mark.parametrize(("form", "code"), [("gateway", "FlowLimitExceeded"), ("model", "50429")])
def test_throttled_as(imagex: World, form: str, code: str) -> None:
    """A throttled call gets the error that is set."""
    arrange(imagex, qps=1, throttled_as=form)
    for number in range(3):
        imagex.paint(f"n{number}")

    assert ["OK", code, code] == imagex.outcomes()


def test_concurrency(imagex: World) -> None:
    """Calls over the concurrency are throttled."""
    arrange(imagex, concurrency=0)

    assert 50430 == imagex.paint().result["RespJson"]["code"]
    arrange(imagex, concurrency=1)
    assert 10000 == imagex.paint("a").result["RespJson"]["code"]
    assert 10000 == imagex.paint("b").result["RespJson"]["code"]


def test_latency_without_threads(tmp_path: Path) -> None:
    """Waiting calls occupy no thread."""
    calls = 60  # more than there are threads
    settings = FaultSettings(latency_seconds=600, time_limit_seconds=600)
    with ThreadPoolExecutor(calls) as pool, world(tmp_path, settings) as imagex:
        for number in range(calls):
            pool.submit(imagex.paint, f"n{number}")
        wait_until(lambda: imagex.faults._running == calls)

        assert 200 == imagex.ask("GetImageStorageFiles").status


def test_probe_errors(imagex: World) -> None:
    """A probe can fail."""
    arrange(imagex, probe_errors=1)

    assert "InternalError" == imagex.ask("GetImageStorageFiles").error["Code"]
    assert 200 == imagex.paint().status


def test_empty_resp_json(imagex: World) -> None:
    """A success may have an empty RespJson."""
    arrange(imagex, empty_resp_json=True)

    assert {} == imagex.paint().result["RespJson"]


def test_script(imagex: World) -> None:
    """Only valid calls consume the script."""
    arrange(imagex, "InternalError", "none")
    imagex.generate(body(Outputs=[]))
    imagex.ask("GetImageStorageFiles")

    assert ["InternalError", "none"] == list(imagex.faults.settings.script)
    assert 500 == imagex.paint().status
    assert 200 == imagex.paint().status
    assert [] == list(imagex.faults.settings.script)


def test_seeded_draws() -> None:
    """Seeded draws are repeatable and have the probabilities that are set."""
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
def test_invalid_settings(settings: dict[str, Any]) -> None:
    """Invalid settings are refused."""
    with pytest.raises(ValidationError):
        FaultSettings(**settings)


def test_random_faults(
    imagex: World,
) -> None:
    """After a hundred random calls, charges and stored files agree."""
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


def test_closed_connection(imagex: World) -> None:
    """A closed connection does not affect the next call."""
    arrange(imagex, "lose_answer", "none")
    with urllib3.PoolManager(retries=False, maxsize=1) as imagex.http:
        with pytest.raises(ProtocolError):
            imagex.paint("a")
        assert 200 == imagex.paint("b").status
