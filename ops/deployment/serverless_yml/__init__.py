"""serverless.yml: its model and JSON Schema; loading it, with the line of every problem."""

from ops.deployment.serverless_yml.document import ServerlessError
from ops.deployment.serverless_yml.load import load
from ops.deployment.serverless_yml.service import (
    Event,
    Function,
    HttpEvent,
    Logs,
    ScheduleEvent,
    Service,
    TosEvent,
)

__all__ = [
    "Event",
    "Function",
    "HttpEvent",
    "Logs",
    "ScheduleEvent",
    "ServerlessError",
    "Service",
    "TosEvent",
    "load",
]
