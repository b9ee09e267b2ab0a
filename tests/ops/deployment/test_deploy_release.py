"""Waiting for a release: how it goes, why it failed, and what to do when it takes too long."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from ops.deployment.apply import LONGEST_SECONDS, POLL_SECONDS, Connection, wait
from ops.deployment.model import Current, Mark, Setup
from ops.deployment.plan import Plan, ReleaseFunction
from ops.deployment.render import Progress
from ops.deployment.serverless_yml.model import RUNTIME
from ops.deployment.vefaas import Release, State
from ops.ui.output import Exit, Refused
from tests.fakes import FakeClock
from tests.ops.deployment.fake_platform import FakeBuckets, FakePlatform
from tests.ops.deployment.packing import service

UNDER_WAY = Release(State.IN_PROGRESS, "r2", 2, "starting an instance")
DONE = Release(State.DONE, "r2", 2, "done")
BEFORE = Release(State.FAILED, "r1", 1, "it failed")


class Telling(FakePlatform):
    """A platform that tells of a release one answer after the other, the last one for ever."""

    def __init__(self, answers: Iterable[Release]) -> None:
        super().__init__()
        self._answers = list(answers)

    def release(self, function_id: str, revision: int, mark: Mark) -> Release:
        del function_id, revision, mark
        return UNDER_WAY

    def release_state(self, function_id: str) -> Release:
        del function_id
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def waited(*answers: Release, record: str = "r2") -> tuple[Release, list[str], FakeClock]:
    told: list[str] = []
    clock = FakeClock()
    ended = wait(Telling(answers), "fn1", "repaint-dev-upload", clock, told.append, record)
    return ended, told, clock


def refusal(*answers: Release) -> Refused:
    with pytest.raises(Refused) as refused:
        waited(*answers)
    return refused.value


def test_each_thing_that_the_platform_says_is_told_once() -> None:
    pulling = replace(UNDER_WAY, message="pulling the code")

    ended, told, clock = waited(pulling, UNDER_WAY, UNDER_WAY, DONE)

    assert (DONE, [POLL_SECONDS] * 3) == (ended, clock.slept)
    assert [
        "repaint-dev-upload: pulling the code",
        "repaint-dev-upload: starting an instance",
    ] == told


def test_how_the_release_before_ended_is_not_taken_for_this_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    platform, clock, mark = Telling([BEFORE, UNDER_WAY, DONE]), FakeClock(), Mark("repaint", "dev")
    setup = Setup(512, 120, 10, None, None, {})
    function_id = platform.create("upload", RUNTIME, setup, mark, b"")
    step = ReleaseFunction(
        action="release", what="function upload", name="upload", revision=0, mark=mark
    )
    connection = Connection(
        service(Path(), RUNTIME), platform, FakeBuckets(platform), clock, Progress(quiet=False)
    )

    connection.apply(Plan((step,)), Current({"upload": platform.deployed(function_id)}, {}))

    assert [POLL_SECONDS] * 2 == clock.slept
    assert capsys.readouterr().err.endswith("release  function upload done\n")


def test_a_failure_is_told_with_what_the_instance_wrote() -> None:
    failed = replace(
        UNDER_WAY, state=State.FAILED, message="it did not start", log="line 1\nImportError: x\n"
    )

    refused = refusal(UNDER_WAY, failed)

    assert Exit.NEEDS_YOU == refused.code
    assert (
        "The release of repaint-dev-upload failed: it did not start. The version that was released "
        "before, if any, still runs.\nThe log of the instance that did not start:\n  line 1\n"
        "  ImportError: x\nFix the problem, and run the same command again."
    ) == str(refused)


def test_a_failure_without_a_log_says_where_to_look() -> None:
    refused = refusal(replace(UNDER_WAY, state=State.FAILED, message="it did not start."))

    assert "failed: it did not start. The version that was released before" in str(refused)
    assert "see the function's releases (发布) in the console" in str(refused)


def test_what_an_instance_wrote_is_shown_without_secrets_and_not_at_any_length() -> None:
    log = "\n".join(["early", *["line"] * 100, "Authorization: Bearer abcdef0123456789"])
    failed = replace(UNDER_WAY, state=State.FAILED, log=log)

    said = str(refusal(failed))

    assert ("abcdef" in said, "early" in said) == (False, False)


def test_one_that_takes_too_long_is_left_to_the_platform_and_to_the_next_run() -> None:
    refused = refusal(UNDER_WAY)

    assert Exit.NEEDS_YOU == refused.code
    assert f"still under way after {LONGEST_SECONDS:.0f} seconds" in str(refused)
    assert "Run the same command again to wait for it" in str(refused)
