"""The door for HTTP: a request came through the API gateway."""

import gc

# What is imported stays: to look through it for garbage, over and over, takes a tenth of a start.
gc.disable()

from secrets import token_hex
from typing import Any

from shared.clients.credentials import credentials_of_event
from shared.runtime import current_runtime

gc.freeze()
gc.enable()


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer a request, with a problem document where something is wrong.

    Raises SettingsError where the deployment is not set up.
    """
    runtime = current_runtime()
    deadline = runtime.clock.now() + runtime.settings.deadline_seconds
    request_id = getattr(context, "request_id", None) or token_hex(16)
    log = runtime.log.bind(request_id=request_id)
    headers = event.get("headers") if isinstance(event, dict) else None
    with credentials_of_event(headers if isinstance(headers, dict) else None):
        return runtime.http().answer(event, request_id=request_id, deadline=deadline, log=log)
