"""Leave, for `repaint smoke`, what only a function sees: of the event, the context and the answers.

An upload whose key carries the mark leaves one document below the ledger's prefix,
`smoke/<number>.json`. It tells the names of fields and the types of their values, no value but the
marked key itself; so it can be shown to anybody. All other uploads leave nothing.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from shared.clients.http import PooledTransport, Request, Response, Timeouts, Transport
from shared.errors import ConditionFailed
from shared.json_utils import as_object
from shared.runtime import Runtime
from shared.uploads.events import Unreadable, Upload

MARK = "repaint-smoke-"
# Neither encoding of a key changes it.
_MARKED = re.compile(MARK + r"([0-9a-f]{16})", re.ASCII)


def marked(uploads: list[Upload | Unreadable]) -> Upload | None:
    """Return the upload that `repaint smoke` made, if it is among these."""
    for upload in uploads:
        if isinstance(upload, Upload) and _MARKED.search(upload.key):
            return upload
    return None


@contextmanager
def watched(
    upload: Upload,
    event: Any,
    context: Any,
    *,
    environment: Mapping[str, str] = os.environ,
    transport: Transport | None = None,
) -> Iterator[Runtime]:
    """Yield a runtime of its own to handle a marked upload with; then write down what was seen.

    That is done whatever became of the upload; where it cannot be done, the upload goes first.
    """
    pool = PooledTransport()
    watch = _Watch(transport or pool)
    runtime = Runtime(environment, transport=watch)
    try:
        yield runtime
    finally:
        try:
            _leave(runtime, upload, _document(runtime, upload, event, context, watch.answers))
        except Exception as error:  # noqa: BLE001 - the upload's own end counts, not this
            runtime.log.warning("smoke.not_written", reason=f"{type(error).__name__}: {error}")
        runtime.close()
        pool.close()


def shape(value: Any) -> Any:
    """Return a value of JSON's types with the type's name in the place of each value."""
    if isinstance(value, dict):
        return {str(name): shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    inside = as_object(value) if isinstance(value, (str, bytes)) else None
    return type(value).__name__ if inside is None else {"text of JSON": shape(inside)}


class _Watch:
    """A transport that notes the shape of each answer."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.answers: list[dict[str, Any]] = []

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        """Send `request` once; see `Transport`."""
        answer = self._inner.send(request, timeouts)
        action = parse_qs(urlsplit(request.url).query).get("Action", ["elsewhere"])[0]
        self.answers.append(
            {
                "to": f"{request.method} {action}",
                "status": answer.status,
                "headers": sorted(answer.headers),
                "body": shape(as_object(answer.body)),
            }
        )
        return answer


def _document(
    runtime: Runtime, upload: Upload, event: Any, context: Any, answers: list[dict[str, Any]]
) -> dict[str, Any]:
    import platform  # noqa: PLC0415 - takes a while, and no other upload needs it

    names = (name for name in dir(context) if not name.startswith("_"))
    file = runtime.settings.credential_file
    content = as_object(file.read_bytes()) if file.is_file() else None
    return {
        "key": upload.key,
        "event": shape(event),
        "context": {name: type(getattr(context, name, None)).__name__ for name in names},
        "credential_file": {"is_there": file.is_file(), "fields": shape(content)},
        "environment": sorted(name for name in os.environ if name.startswith("_FAAS")),
        "python": platform.python_version(),
        "system": platform.platform(),
        "answers": answers,
    }


def _leave(runtime: Runtime, upload: Upload, document: dict[str, Any]) -> None:
    found = _MARKED.search(upload.key)
    scheme, _, place = runtime.settings.ledger_for(upload.bucket).partition("://")
    if found is None or scheme != "tos":
        return
    bucket, _, prefix = place.partition("/")
    body = json.dumps(document, ensure_ascii=False, indent=2).encode()
    try:
        storage = runtime.storage(upload.region)
        storage.put(bucket, f"{prefix}smoke/{found[1]}.json", body, create_only=True)
    except ConditionFailed:
        return  # delivered again: what the first delivery saw stands
