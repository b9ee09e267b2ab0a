"""The stream's beginning and end, and what a cloud that is started again shows."""

import time
from pathlib import Path

from local.cloud import Cloud
from local.imagex import FaultSettings
from tests.local.console.client import PATIENCE_SECONDS, Client, until

FAULTS = FaultSettings(latency_seconds=0.0)


def test_a_page_that_goes_away_is_not_listened_for_any_more(cloud: Cloud, client: Client) -> None:
    live = cloud._console.stream
    with client.events() as events, client.events() as others:
        next(events), next(others)
        assert 2 == live.listeners

    until_then = time.monotonic() + PATIENCE_SECONDS
    while (live.listeners or live.polling) and time.monotonic() < until_then:
        time.sleep(0.05)
    assert (0, False) == (live.listeners, live.polling)


def test_a_cloud_that_stops_ends_its_streams_and_a_new_one_shows_what_was(tmp_path: Path) -> None:
    with Cloud(tmp_path / "c", faults=FAULTS) as first:
        client = Client(first.console.address)
        made = client.upload("a.png", prompt="x")
        client.upload("b.png", prompt="[refuse]")
        client.upload("c.png")
        client.ask("POST", f"/api/uploads/{made}/again")
        assert first.platform.wait_idle()
        client.ask("POST", "/api/sweep")
        before = client.state()
        with client.events() as events:
            kind, state = next(events)
            first._stack.close()
            # Not cut off: a stream that has not ended as HTTP has it would raise here.
            rest = {kind for kind, _ in events}
    client.close()

    assert ("state", before["uploads"]) == (kind, state["uploads"])
    # The sweep's timer may fire meanwhile; nothing else happens.
    assert rest <= {"records", "functions"}
    assert ["generated", "skipped", "rejected", "generated"] == [
        each["stage"] for each in before["uploads"]
    ]
    with Cloud(tmp_path / "c", faults=FAULTS) as second:
        client = Client(second.console.address)
        after = client.state()
        picture = client.ask("GET", f"/api/uploads/{made}/after")
        client.close()
    assert before["uploads"] == after["uploads"]
    assert before["charges"] == after["charges"]
    assert {"pending": 0} == after["records"]["sweep"]["last"]["counts"]
    assert (200, "image/png") == (picture.status, picture.headers["content-type"])


def test_a_stream_that_is_begun_anew_begins_with_the_whole_state(
    cloud: Cloud, client: Client
) -> None:
    upload_id = client.upload("a.png", prompt="x")
    assert cloud.platform.wait_idle()

    for _ in range(2):
        with client.events() as events:
            [state] = until(events, "state", lambda _: True)
            assert upload_id in {each["id"] for each in state["uploads"]}
