"""What the services' refusals mean for whoever runs Repaint."""

from ops.checks.checks import Told, wrong
from shared.clients.http import Response
from shared.clients.imagex import error_of
from shared.json_utils import as_object
from shared.redaction import redact_text

_KEY = {
    "SignatureDoesNotMatch": (
        "The secret key does not belong to the access key, or it was signed for another region: "
        "check VOLCENGINE_SECRET_KEY; and TOS_REGION, or for veImageX VEIMAGEX_REGION."
    ),
    "InvalidAccessKeyId": "There is no such access key, or it was switched off: check it.",
    "InvalidAccessKey": "There is no such access key, or it was switched off: check it.",
    "InvalidSecurityToken": "The session token is wrong or has expired: get a new one.",
    "InvalidSecretToken": "The session token is wrong or has expired: get a new one.",
    "ExpiredToken": "The session token has expired: get a new one.",
    "InvalidAuthorization": "The region it was signed for may be another one: check TOS_REGION.",
    "InvalidCredential": "It was signed for another region: check VEIMAGEX_REGION.",
    "RequestTimeTooSkewed": "Set this machine's clock.",
    "InvalidTimestamp": "Set this machine's clock.",
}
_DENIED = ("AccessDenied", "LackPolicy", "Forbidden")


def code_of(answer: Response) -> str:
    """Return the error's name in an answer, up to the first dot; empty where there is none."""
    document = as_object(answer.body) or {}
    error = error_of(document, answer.status) or {}
    return str(document.get("Code") or error.get("Code") or "").partition(".")[0]


def is_denied(answer: Response) -> bool:
    """Tell whether the key is known and may not do that."""
    return code_of(answer) in _DENIED or (answer.status == 403 and not code_of(answer))


def said(answer: Response) -> str:
    """Repeat what a refusal said, without what could be secret in it."""
    document = as_object(answer.body) or {}
    error = error_of(document, answer.status) or {}
    message = str(document.get("Message") or error.get("Message") or "").strip()
    words = [f"HTTP {answer.status}", code_of(answer), message[:300]]
    return redact_text(" ".join(word for word in words if word)).rstrip(".") + "."


def refused(answer: Response, what: str, right: str, mend: str = "") -> Told:
    """Tell that `what` was refused; `right` is the permission it needs.

    `mend` is what to do where the refusal is neither the key's nor a permission's.
    """
    found = f"{what} was refused: {said(answer)}"
    code = code_of(answer)
    if code in _KEY:
        return wrong(found, _KEY[code])
    if is_denied(answer):
        return wrong(found, f"Give the function's role, and this key, {right}.")
    return wrong(found, mend or "Run the doctor again; if it stays so, look the code up.")
