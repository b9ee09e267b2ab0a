"""serverless.yml: its model, its schema, and how it is read with the line of every mistake."""

from ops.serverless.problems import ServerlessError
from ops.serverless.reading import load
from ops.serverless.service import Function, HttpEvent, Logs, ScheduleEvent, Service, TosEvent

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
