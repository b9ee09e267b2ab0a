"""The entry point for HTTP: a request came through the API gateway."""

import gc

# Imported modules stay: searching them for garbage, over and over, takes a tenth of a cold start.
gc.disable()

from secrets import token_hex
from typing import Any

from shared.clients.credentials import credentials_of_event
from shared.runtime import current_runtime

gc.freeze()
gc.enable()


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer a request, with a problem document if there is a problem.

    Raises SettingsError if the settings are invalid.
    """
    runtime = current_runtime()
    request_id = getattr(context, "request_id", None) or token_hex(16)
    delivery = runtime.delivery(runtime.log.bind(request_id=request_id))
    headers = event.get("headers") if isinstance(event, dict) else None
    with credentials_of_event(headers if isinstance(headers, dict) else None):
        return runtime.http_api.handle(event, request_id=request_id, delivery=delivery)
