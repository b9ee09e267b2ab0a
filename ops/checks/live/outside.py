"""What the services answer to what is refused or missing, asked for with the operator's key.

Only statuses, codes and names of headers are told: a message can name an account.
"""

import secrets
from collections.abc import Iterator

from ops.checks.live.report import Fact
from ops.checks.refusals import code_of
from ops.checks.wire import Wire
from shared.clients.http import Response
from shared.clients.imagex import error_of
from shared.json_utils import as_object
from shared.settings import Settings


def storage_facts(wire: Wire, bucket: str, prefix: str) -> Iterator[Fact]:
    """Try conditional writes on one key below the ledger's prefix, which is removed again."""
    key = f"{prefix}smoke/{secrets.token_hex(8)}-tried"
    missing = wire.storage("HEAD", bucket, key)
    yield Fact("HEAD of an object that is not there", _of_storage(missing))
    yield Fact("GET of an object that is not there", _of_storage(wire.storage("GET", bucket, key)))
    try:
        put = wire.storage("PUT", bucket, key, body=b"1", headers=_if("forbid-overwrite", "true"))
        yield Fact("PUT with x-tos-forbid-overwrite where nothing is", _of_storage(put))
        again = wire.storage("PUT", bucket, key, body=b"2", headers=_if("forbid-overwrite", "true"))
        yield Fact("the same again", _of_storage(again))
        other = wire.storage("PUT", bucket, key, body=b"3", headers=_if("if-match", "0" * 32))
        yield Fact("PUT with x-tos-if-match and another ETag", _of_storage(other))
        etag = put.headers.get("etag", "").strip('"')
        right = wire.storage("PUT", bucket, key, body=b"4", headers=_if("if-match", etag))
        yield Fact("PUT with x-tos-if-match and the right ETag", _of_storage(right))
    finally:
        wire.storage("DELETE", bucket, key, cleaning=True)
    versioning = wire.storage("GET", bucket, query={"versioning": ""})
    status = (as_object(versioning.body) or {}).get("Status") or "none"
    yield Fact("versioning of the ledger's bucket", f"{_of_storage(versioning)}, Status {status}")


def imagex_facts(wire: Wire, settings: Settings) -> Iterator[Fact]:
    """Ask veImageX for what is not there."""
    name = f"{settings.output_prefix}smoke-{secrets.token_hex(8)}"
    uri = f"tos-cn-i-{settings.service_id}/{name}"
    for action, version, parameters in (
        ("GetImageUploadFile", "2023-05-01", {"StoreUri": uri}),
        ("GetImageStorageFiles", "2018-08-01", {"Prefix": name, "Limit": "10"}),
        ("RepaintAsksForNoAction", "2023-05-01", {}),
    ):
        answer = wire.imagex(action, version, **parameters)
        yield Fact(f"{action} of what is not there", _of_imagex(answer))


def _if(condition: str, value: str) -> dict[str, str]:
    return {f"x-tos-{condition}": value}


def _of_storage(answer: Response) -> str:
    document = as_object(answer.body) or {}
    told = [f"HTTP {answer.status}", str(document.get("Code") or "")]
    ec = document.get("EC") or answer.headers.get("x-tos-ec")
    return " ".join(word for word in (*told, f"EC {ec}" if ec else "") if word)


def _of_imagex(answer: Response) -> str:
    document = as_object(answer.body) or {}
    error = error_of(document, answer.status)
    result = document.get("Result")
    if error:
        return f"HTTP {answer.status} {code_of(answer)} CodeN {error.get('CodeN')}"
    fields = sorted(result) if isinstance(result, dict) else type(result).__name__
    return f"HTTP {answer.status}, no error, Result {fields}"
