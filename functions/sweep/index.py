"""The entry point for the timer: finish what was parked."""

import gc

# Imported modules stay: searching them for garbage, over and over, takes a tenth of a cold start.
gc.disable()

from secrets import token_hex
from typing import Any

from shared.results import json_response
from shared.runtime import current_runtime

gc.freeze()
gc.enable()


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Take what is pending and due as far as it goes in this tick; return counts.

    Raises SettingsError if the settings are invalid. The event's payload means nothing.
    """
    del event
    runtime = current_runtime()
    request_id = getattr(context, "request_id", None) or token_hex(16)
    delivery = runtime.delivery(runtime.log.bind(request_id=request_id))
    return json_response({"results": runtime.sweep.run(delivery)})
