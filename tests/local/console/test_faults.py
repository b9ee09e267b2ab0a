"""The console's switches: what they set, and what they leave alone."""

import json
from typing import Any

import pytest

from local.cloud import Cloud
from tests.local.console.client import Answer, Client


def put(client: Client, **changes: Any) -> Answer:
    wanted = {**client.state()["faults"], **changes}
    return client.ask("PUT", "/api/faults", json.dumps(wanted).encode())


def test_what_is_set_is_in_force_and_told_and_can_be_reset(cloud: Cloud, client: Client) -> None:
    before, kept = client.state()["faults"], cloud.faults.settings.time_limit_seconds
    with client.events() as events:
        next(events)
        changed = put(
            client, latency_seconds=0.1, qps=3, throttling=0.2, server_errors=0.3, duplicates=0.4
        )
        told = next(value for name, value in events if name == "faults")
        settings, rules = cloud.faults.settings, cloud.platform.queue.settings
        reset = client.ask("POST", "/api/faults/reset")

    assert (200, told) == (changed.status, changed.document)
    assert (0.1, 3, kept) == (
        settings.latency_seconds, settings.qps, settings.time_limit_seconds,
    )  # fmt: skip
    assert {"50429": 0.2, "http_502": 0.15, "InternalError": 0.15} == settings.error_rates
    assert (0.4, [0.2]) == (rules.duplicate_probability, rules.retry_delays)
    assert (200, before, before) == (reset.status, reset.document, client.state()["faults"])
    assert {} == cloud.faults.settings.error_rates


@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"lose_answer": 1.5}, "lose_answer", "less than or equal to 1"),
        ({"qps": 0}, "qps", "greater than 0"),
        ({"latency": 1}, "latency", "not permitted"),
        ({"duplicates": None}, "duplicates", "valid number"),
        ({"lose_answer": 0.6, "throttling": 0.6}, "", "more than 1 together"),
    ],
)
def test_what_cannot_be_set_is_told_and_changes_nothing(
    client: Client, changes: dict[str, Any], field: str, sentence: str
) -> None:
    before = client.state()["faults"]
    refused = put(client, **changes)

    assert 400 == refused.status
    [problem] = refused.document["problems"]
    assert field == problem["field"]
    assert sentence in refused.document["detail"]
    assert before == client.state()["faults"]


def test_what_is_no_json_is_told(client: Client) -> None:
    refused = client.ask("PUT", "/api/faults", b"{")

    assert 400 == refused.status
    assert "Invalid JSON" in refused.document["detail"]
