"""A local veFaaS: Python event functions in real worker processes, with the platform's queue."""

from local.vefaas.runtime.delivery import Delivery, DeliverySettings, QueueSnapshot, delivery_of
from local.vefaas.runtime.function import FunctionSpec, FunctionState, Invocation
from local.vefaas.runtime.role import CREDENTIAL_FILE_VARIABLE
from local.vefaas.runtime.runtime import Platform
from local.vefaas.runtime.timer import Timer

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
