"""The door for uploads: an image was put into object storage."""

import gc

# What is imported stays: to look through it for garbage, over and over, takes a tenth of a start.
gc.disable()

import json
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import Any

from shared.errors import DeliveryIncomplete, SettingsError
from shared.logs import Log, stdout_log
from shared.redaction import shape_of
from shared.results import Result
from shared.runtime import Runtime, current_runtime
from shared.uploads.events import Unreadable, Upload, parse_uploads

gc.freeze()
gc.enable()

MAX_AT_ONCE = 8


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Take every upload of an event to its end; return what became of each, and of its variants.

    Raises DeliveryIncomplete where one has to be delivered again, so that the platform counts an
    error and comes back; SettingsError where the deployment is not set up.
    """
    request_id = getattr(context, "request_id", None) or token_hex(16)
    try:
        runtime = current_runtime()
    except SettingsError as error:
        _tell_unset(parse_uploads(event), error, stdout_log("info").bind(request_id=request_id))
        raise
    if runtime.settings.log_level == "debug":  # only then is the shape worked out
        runtime.log.debug("event.received", request_id=request_id, shape=shape_of(event))
    return _take(runtime, parse_uploads(event), request_id)


def _take(runtime: Runtime, uploads: list[Upload | Unreadable], request_id: str) -> dict[str, Any]:
    deadline = runtime.clock.now() + runtime.settings.deadline_seconds
    log = runtime.log.bind(request_id=request_id)

    def handle(upload: Upload | Unreadable) -> list[Result]:
        return _handle(runtime, upload, deadline, log)

    if len(uploads) > 1:
        with ThreadPoolExecutor(min(len(uploads), MAX_AT_ONCE)) as pool:
            results = list(pool.map(handle, uploads))
    else:
        results = [handle(upload) for upload in uploads]

    shown = [result.to_dict() for of_upload in results for result in of_upload]
    incomplete = [[r for r in of_upload if r.status == "incomplete"] for of_upload in results]
    if any(incomplete):
        raise DeliveryIncomplete(
            f"{sum(map(bool, incomplete))} of {len(results)} uploads must be delivered again: "
            + " ".join(f"{r.bucket}/{r.key}: {r.reason}" for left in incomplete for r in left),
            shown,
        )
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json; charset=utf-8"},
        "body": json.dumps({"results": shown}, ensure_ascii=False),
    }


def _tell_unset(uploads: list[Upload | Unreadable], error: SettingsError, log: Log) -> None:
    for upload in uploads:
        log.error(
            "delivery.finished",
            status="incomplete",
            bucket=upload.bucket,
            key=upload.key,
            record=None,
            reason=str(error),
            attempts=0,
            duration_ms=0,
        )


def _handle(
    runtime: Runtime, upload: Upload | Unreadable, deadline: float, log: Log
) -> list[Result]:
    if isinstance(upload, Unreadable):
        # Delivering it again would not make it readable: it is told, and counts as done.
        log.error("upload.rejected", bucket=upload.bucket, key=upload.key, reason=upload.reason)
        log.info(
            "delivery.finished",
            status="rejected",
            bucket=upload.bucket,
            key=upload.key,
            record=None,
            reason=upload.reason,
            attempts=0,
            duration_ms=0,
        )
        return [Result("rejected", upload.bucket, upload.key, reason=upload.reason)]
    return runtime.pipeline.handle(upload, deadline=deadline, log=log)
