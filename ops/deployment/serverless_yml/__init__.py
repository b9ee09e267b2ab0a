"""serverless.yml: its model, its schema, and how it is read with the line of every mistake."""

from ops.deployment.serverless_yml.problems import ServerlessError
from ops.deployment.serverless_yml.reading import load
from ops.deployment.serverless_yml.service import (
    Function,
    HttpEvent,
    Logs,
    ScheduleEvent,
    Service,
    TosEvent,
)

__all__ = [
    "Function",
    "HttpEvent",
    "Logs",
    "ScheduleEvent",
    "ServerlessError",
    "Service",
    "TosEvent",
    "load",
]
