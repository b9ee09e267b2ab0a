"""A check and its finding; checks that need each other run concurrently."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum

from ops.service_errors import code_of, describe, is_denied
from shared.clients.http import Response
from shared.errors import CredentialsError, NoAnswer


class CheckState(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, as sentences; `fix` is empty if there is nothing to do."""

    name: str
    state: CheckState
    found: str
    fix: str = ""


def ok(found: str, *, name: str = "") -> Finding:
    """Return a finding without a problem."""
    return Finding(name, CheckState.OK, found)


def warning(found: str, fix: str, *, name: str = "") -> Finding:
    """Return a finding about a doubtful value, or about a question that stayed open."""
    return Finding(name, CheckState.WARNING, found, fix)


def wrong(found: str, fix: str, *, name: str = "") -> Finding:
    """Return a finding about a problem that makes calls fail, or costs money."""
    return Finding(name, CheckState.WRONG, found, fix)


def not_checked(found: str, fix: str = "", *, name: str = "") -> Finding:
    """Return why something was not checked."""
    return Finding(name, CheckState.NOT_CHECKED, found, fix)


class CheckFailed(Exception):
    """A check ended early, with this finding."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.found)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    It runs once every check in `needs` ended with OK or a warning, and not at all if one did not;
    and after every check in `after`, however that ended.
    """

    name: str
    find: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def run(self) -> Finding:
        """Return what the check finds; a service that gives no answer is a finding too."""
        try:
            finding = self.find()
        except CheckFailed as failed:
            finding = failed.finding
        except NoAnswer as error:
            finding = wrong(str(error), "Run the doctor again; if it recurs, check the network.")
        except CredentialsError as error:
            finding = wrong(str(error), "See credentials.")
        return replace(finding, name=self.name)


def run_checks(
    checks: Sequence[Check], *, stop: Callable[[], None]
) -> Generator[Finding, None, None]:
    """Run checks concurrently; yield their findings in the order of the checks.

    A check comes after those that it needs or follows. If the caller stops iterating, as after an
    interruption, `stop` is called: running checks then end and clean up.
    """
    # A thread for each: one that waits for another check must not keep a third one waiting.
    with ThreadPoolExecutor(max_workers=max(1, len(checks))) as pool:
        found: dict[str, Future[Finding]] = {}
        for check in checks:
            found[check.name] = pool.submit(_run_in_turn, check, dict(found))
        try:
            for future in found.values():
                yield future.result()
        except BaseException:
            stop()
            raise


def _run_in_turn(check: Check, found: dict[str, Future[Finding]]) -> Finding:
    for name in check.after:
        found[name].result()
    for name in check.needs:
        state = found[name].result().state
        if state in (CheckState.WRONG, CheckState.NOT_CHECKED):
            reason = "is wrong" if state is CheckState.WRONG else "was not checked"
            return not_checked(f"Needs {name}, which {reason}.", name=check.name)
    return check.run()


_WRONG_KEY = "There is no such access key, or it is disabled: check it."
_RENEW = "The session token is wrong or has expired: get a new one."
_KEY_PROBLEMS = {
    "SignatureDoesNotMatch": (
        "The secret key does not belong to the access key, or the request was signed for another "
        "region: check VOLCENGINE_SECRET_KEY; and TOS_REGION, or for veImageX VEIMAGEX_REGION."
    ),
    "InvalidAccessKeyId": _WRONG_KEY,
    "InvalidAccessKey": _WRONG_KEY,
    "InvalidSecurityToken": _RENEW,
    "InvalidSecretToken": _RENEW,
    "ExpiredToken": _RENEW,
    "InvalidAuthorization": "The request was signed for another region: check TOS_REGION.",
    "InvalidCredential": "The request was signed for another region: check VEIMAGEX_REGION.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "InvalidTimestamp": "Set this machine's clock.",
}


def refused(answer: Response, what: str, permission: str) -> CheckFailed:
    """Return the failure of a check whose request was refused; it needs `permission`."""
    found, code = f"{what} was refused: {describe(answer)}", code_of(answer)
    fix = "Run the doctor again; if it recurs, look the code up."
    if is_denied(answer):
        fix = f"Give the function's role, and this key, {permission}."
    return CheckFailed(wrong(found, _KEY_PROBLEMS.get(code, fix)))
