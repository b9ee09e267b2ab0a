"""The entry point for uploads: an image was put into object storage."""

import gc

# Imported modules stay: searching them for garbage, over and over, takes a tenth of a cold start.
gc.disable()

from secrets import token_hex
from typing import Any

from shared.errors import SettingsError
from shared.logs import stdout_log
from shared.processing.pipeline import log_unconfigured
from shared.redaction import shape_of
from shared.results import response
from shared.runtime import current_runtime
from shared.uploads.events import parse_uploads

gc.freeze()
gc.enable()


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Process every upload of an event; return a result for each, and for each of its variants.

    Raises DeliveryIncomplete if one has to be delivered again, so that the platform counts an
    error and comes back; SettingsError if the settings are invalid.
    """
    request_id = getattr(context, "request_id", None) or token_hex(16)
    uploads = parse_uploads(event)
    try:
        runtime = current_runtime()
    except SettingsError as error:
        log_unconfigured(uploads, error, stdout_log("info").bind(request_id=request_id))
        raise
    delivery = runtime.delivery(runtime.log.bind(request_id=request_id))
    if runtime.settings.log_level == "debug":  # else the shape would be computed for nothing
        delivery.log.debug("event.received", shape=shape_of(event))
    return response(runtime.pipeline.handle_all(uploads, delivery))
