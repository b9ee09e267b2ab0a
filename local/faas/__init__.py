"""A local veFaaS: Python event functions in real worker processes, with the platform's queue."""

from local.faas.delivery import Delivery, DeliverySettings, QueueSnapshot, delivery_of
from local.faas.function import FunctionSpec, FunctionState, Invocation
from local.faas.role import CREDENTIAL_FILE_VARIABLE
from local.faas.runtime import Platform
from local.faas.timer import Timer

__all__ = [
    "CREDENTIAL_FILE_VARIABLE",
    "Delivery",
    "DeliverySettings",
    "FunctionSpec",
    "FunctionState",
    "Invocation",
    "Platform",
    "QueueSnapshot",
    "Timer",
    "delivery_of",
]
