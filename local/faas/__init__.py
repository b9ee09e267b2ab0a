"""A local veFaaS: Python event functions in real worker processes, with the platform's queue."""

from local.faas.delivery import Delivery, DeliverySettings, QueueSnapshot
from local.faas.function import FunctionSpec, Invocation
from local.faas.role import CREDENTIAL_FILE_VARIABLE
from local.faas.runtime import Platform
from local.faas.timer import Timer

__all__ = [
    "CREDENTIAL_FILE_VARIABLE",
    "Delivery",
    "DeliverySettings",
    "FunctionSpec",
    "Invocation",
    "Platform",
    "QueueSnapshot",
    "Timer",
]
