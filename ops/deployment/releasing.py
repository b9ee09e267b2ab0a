"""Wait for a release, and say how it goes."""

from collections.abc import Callable

from ops.deployment.platform import Platform, Release, State
from ops.ui.output import Exit, Refused
from shared.clock import Clock
from shared.redaction import redact_text

POLL_SECONDS = 1.0
LONGEST_SECONDS = 900.0
_SHOWN_LINES = 30

Tell = Callable[[str], None]
"""Takes a sentence about how something goes."""


def wait(
    platform: Platform, function_id: str, name: str, clock: Clock, tell: Tell, record: str = ""
) -> Release:
    """Wait until a function's newest release has ended well; return it.

    `record` is its id, where that is known: until the platform tells of that one, it tells of the
    one before. Raises Refused where it failed, with what the platform says and what the instance
    wrote, or where it takes too long.
    """
    until = clock.now() + LONGEST_SECONDS
    said = ""
    while True:
        found = platform.release_state(function_id)
        is_another = record and found.record and found.record != record
        if not is_another and found.state is State.DONE:
            return found
        if not is_another and found.state is State.FAILED:
            raise Refused(_failure(name, found), Exit.NEEDS_YOU)
        if found.message and found.message != said:
            said = found.message
            tell(f"{name}: {redact_text(said)}")
        if clock.now() >= until:
            raise Refused(
                f"The release of {name} is still under way after {LONGEST_SECONDS:.0f} seconds, "
                "and the platform goes on with it. Run the same command again to wait for it, or "
                "look at the function's releases (发布) in the console.",
                Exit.NEEDS_YOU,
            )
        clock.sleep(POLL_SECONDS)


def _failure(name: str, release: Release) -> str:
    lines = redact_text(release.log).strip().splitlines()[-_SHOWN_LINES:]
    log = "".join(f"\n  {line}" for line in lines)
    wrote = (
        f"\nThe instance that did not start wrote:{log}"
        if log
        else " No log came with it: look at the function's releases (发布) in the console."
    )
    said = redact_text(release.message).rstrip(".") or "the platform does not say why"
    return (
        f"The release of {name} failed: {said}. What was released before, if anything, runs on."
        f"{wrote}\nMend it, and run the same command again."
    )
