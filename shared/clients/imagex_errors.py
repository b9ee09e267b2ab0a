"""The verdict for each error code of the model, the gateway and veImageX.

How veImageX reports a model's failure is not documented: the code may stand in `RespJson` under
HTTP 200, or inside an error's message under HTTP 4xx or 5xx. So codes decide, not statuses, and
the code of the model, which is more exact, comes first. The outcome of a call with an unlisted code
is unknown.

veImageX's own list (document 508/66156) is incomplete.
"""

import re
from enum import StrEnum


class Verdict(StrEnum):
    """The next step after a call that did not generate."""

    REFUSED = "refused"  # permanent: this upload's own fault
    RESEED = "reseed"  # the output failed review: another seed may pass
    RETRY_ONCE = "retry_once"  # the review service failed: once more, then permanent
    CONFIGURATION = "configuration"  # no upload's fault: an operator has to fix it
    THROTTLED = "throttled"  # over the rate limit, not executed
    NOT_EXECUTED = "not_executed"  # transient, nothing was generated
    CLOCK = "clock"  # the signature's time is off
    TOKEN = "token"  # noqa: S105 - a verdict; the session token was refused
    UNKNOWN = "unknown"  # may have been executed: probe before paying again


def _table(*rows: tuple[Verdict, str]) -> dict[str, Verdict]:
    return {code: verdict for verdict, codes in rows for code in codes.split()}


MODEL = _table(
    (Verdict.REFUSED, "50411 50412 50413 50512 50518 60208 60102"),
    (Verdict.REFUSED, "50200 50201 50204 50205 50206 50207 50209 50210 50211 50213 50214 50215"),
    (Verdict.RESEED, "50511 50519"),
    (Verdict.RETRY_ONCE, "50520 50521 50522"),
    (Verdict.CONFIGURATION, "50400 50402"),
    (Verdict.THROTTLED, "50429 50430"),
    (Verdict.UNKNOWN, "50500 50501"),
)

# By name, the part before the first dot.
GATEWAY = _table(
    (
        Verdict.CONFIGURATION,
        (
            "MissingParameter MissingAuthenticationToken MissingRequestInfo MissingSignature "
            "ServiceNotFound InvalidActionOrVersion InvalidAccessKey SignatureDoesNotMatch "
            "LackPolicy AccessDenied MethodNotAllowed InvalidAuthorization InvalidCredential"
        ),
    ),
    (Verdict.REFUSED, "InvalidParameter"),
    (Verdict.CLOCK, "InvalidTimestamp"),
    (Verdict.TOKEN, "InvalidSecretToken"),
    (Verdict.THROTTLED, "FlowLimitExceeded AccountFlowLimitExceeded RequestLimitExceeded"),
    (Verdict.NOT_EXECUTED, "FailToConnect ServiceUnavailableTemp"),
    (Verdict.UNKNOWN, "InternalError InternalServiceError InternalServiceTimeout UndefinedError"),
)

# By number: the gateway's and veImageX's.
NUMBERED = _table(
    (
        Verdict.CONFIGURATION,
        (
            "100002 100003 100004 100005 100007 100008 100009 100010 100012 100013 100020 "
            "600005 600008 600013 601000 601001 601002 601003 601004 601005 601007 601008 601009 "
            "601010 604015 641002"
        ),
    ),
    (Verdict.REFUSED, "600003"),
    (Verdict.CLOCK, "100006"),
    (Verdict.THROTTLED, "100018 600014"),
    (Verdict.NOT_EXECUTED, "100015 100019"),
    (Verdict.UNKNOWN, "100014 100016 600006 600007 600010 600011 601006"),
)

_URL = re.compile(r"\S+://\S+")
# A number at the beginning, in brackets or as a value; not one among words, in a URL, a file name
# or an id.
_NUMBER = re.compile(
    r"""(?:^|[\[({<:=,"'：，（【]\s*)([0-9]{5})(?=$|[\s\])}>,:;"'：，。）】]|\.(?:\s|$))"""
)


def verdict_of_model(code: int | str) -> Verdict:
    """Return the verdict of a code in the model's own answer (`RespJson.code`)."""
    return MODEL.get(str(code), Verdict.UNKNOWN)


def verdict_of_error(code: str, number: int | str | None, message: str) -> Verdict:
    """Return the verdict of an `Error{Code, CodeN, Message}`."""
    for found in _NUMBER.findall(_URL.sub(" ", message)):
        if found in MODEL:
            return MODEL[found]
    for name in (code.partition(".")[0], code):
        for table in (MODEL, GATEWAY, NUMBERED):
            if name in table:
                return table[name]
    if code.startswith("InvalidParameter"):
        return Verdict.REFUSED
    return NUMBERED.get(str(number), MODEL.get(str(number), Verdict.UNKNOWN))
