"""The door for the timer: finish what was parked."""

import gc

# What is imported stays: to look through it for garbage, over and over, takes a tenth of a start.
gc.disable()

import json
from secrets import token_hex
from typing import Any

from shared.runtime import current_runtime

gc.freeze()
gc.enable()


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Take what is pending and due as far as it goes in this tick; return counts.

    Raises SettingsError where the deployment is not set up. The event's payload means nothing.
    """
    del event
    runtime = current_runtime()
    deadline = runtime.clock.now() + runtime.settings.deadline_seconds
    ledger = runtime.shared_ledger("the sweep")
    log = runtime.log.bind(request_id=getattr(context, "request_id", None) or token_hex(16))
    counts = runtime.sweep.run(ledger, deadline=deadline, log=log)
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json; charset=utf-8"},
        "body": json.dumps({"results": counts}),
    }
