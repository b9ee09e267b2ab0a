"""Timers: their schedules, ticks and events."""

import datetime as dt
import json
from pathlib import Path

import pytest

from local.vefaas.runtime import Platform
from local.vefaas.runtime.timer import Crontab, Every, schedule
from tests.fakes import FakeClock
from tests.local.vefaas.runtime.conftest import AT_ONCE, NOW, FunctionLog, Gate, Write


def test_period(tmp_path: Path, function: Write, log: FunctionLog) -> None:
    """A timer fires once a period, with its payload."""
    clock = FakeClock(NOW)
    with Platform(tmp_path / "cloud", clock=clock, on_log=log) as platform:
        platform.deploy(
            function("""
            import json

            def handler(event, context):
                print("tick", json.dumps(event))
            """)
        )
        platform.add_timer("paint", "sweep", 60, "all of them")
        platform.run_due()
        assert 0 == log.count("tick")
        clock.sleep(60)
        log.wait_for("tick")
        (timer,) = platform.timers
        assert (clock.now() + 60, 0) == (timer.next_due, timer.skipped)
    event = json.loads(log.lines[0].partition("tick ")[2])
    assert ("faas.timer.event", f"/faas/event/timer/{timer.id}", "all of them", "1.0") == (
        event["type"],
        event["source"],
        event["data"],
        event["specversion"],
    )
    assert "2025-06-15T15:07:40Z" == event["time"]


def test_skipped_tick(tmp_path: Path, function: Write, gate: Gate) -> None:
    """A tick is skipped while the one before still runs."""
    clock = FakeClock(NOW)
    with Platform(tmp_path / "cloud", clock=clock) as platform:
        platform.deploy(function(gate.code + "def handler(event, context): gate()\n"))
        platform.add_timer("paint", "sweep", "* * * * *")
        clock.sleep(60)
        running = gate.arrive()
        clock.sleep(60)
        platform.run_due()
        assert 1 == next(iter(platform.timers)).skipped
        running.send(b"!")


def test_failed_tick(tmp_path: Path, function: Write, log: FunctionLog) -> None:
    """A tick can be requested; if it fails, it is not retried."""
    with Platform(tmp_path / "cloud", settings=AT_ONCE, on_log=log) as platform:
        platform.deploy(function("def handler(event, context): raise OSError(event['data'])"))
        platform.add_timer("paint", "sweep", 3600, "no")
        assert "OSError: no" == platform.tick("sweep").failure
        assert platform.idle()
        with pytest.raises(LookupError, match="no timer 'mop'"):
            platform.tick("mop")
        log.wait_for("OSError: no")
    assert 1 == log.count("OSError: no")


@pytest.mark.parametrize(
    ("text", "after", "expected"),
    [
        ("*/5 * * * *", "2025-06-15T15:06:40", "2025-06-15T15:10"),
        ("*/5 * * * *", "2025-06-15T15:10:00", "2025-06-15T15:15"),
        ("* * * * *", "2025-12-31T23:59:59", "2026-01-01T00:00"),
        ("0 3 * * *", "2025-06-15T03:00:00", "2025-06-16T03:00"),
        ("10,40 8-18/5 * * *", "2025-06-15T08:40:00", "2025-06-15T13:10"),
        ("0 0 1 * 1", "2025-06-15T00:00:00", "2025-06-16T00:00"),  # a Monday, not the 1st
        ("0 0 * * 7", "2025-06-15T00:00:00", "2025-06-22T00:00"),  # 7 is Sunday, as 0 is
        ("0 0 29 2 *", "2097-01-01T00:00:00", "2104-02-29T00:00"),  # 2100 is no leap year
    ],
)
def test_crontab(text: str, after: str, expected: str) -> None:
    """A crontab fires at the next minute that matches."""
    moment = dt.datetime.fromisoformat(after + "+00:00").timestamp()
    fired = dt.datetime.fromtimestamp(Crontab(text).next_after(moment), dt.UTC)
    assert expected == fired.strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    "text", ["", "* * * *", "60 * * * *", "5/10 * * * *", "a * * * *", "*/0 * * * *", "0 0 31 2 *"]
)
def test_unsupported_crontab(text: str) -> None:
    """An unsupported crontab is refused with the supported forms."""
    with pytest.raises(ValueError, match="give a number of seconds, or a crontab"):
        schedule(text)


def test_scaled_period() -> None:
    """A period is a number of seconds or its text, and is scaled."""
    assert Every(30) == schedule(30)
    assert Every(0.5) == schedule("30", time_scale=60)
    with pytest.raises(ValueError, match="cannot fire every 0 seconds"):
        schedule(0)
