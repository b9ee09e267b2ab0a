"""The runtime of a local veFaaS: event functions in worker processes, behind the platform's queue.

All of it is thread-safe.
"""

from local.vefaas.runtime.function import FunctionSpec, FunctionState, Invocation
from local.vefaas.runtime.platform import Platform
from local.vefaas.runtime.queue import DeliverySettings, QueuedEvent, queued_event_id
from local.vefaas.runtime.timer import Timer

__all__ = [
    "DeliverySettings",
    "FunctionSpec",
    "FunctionState",
    "Invocation",
    "Platform",
    "QueuedEvent",
    "Timer",
    "queued_event_id",
]
