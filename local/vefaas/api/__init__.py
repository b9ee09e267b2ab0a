"""The control plane of a local veFaaS, which the official client talks to unchanged."""

from local.vefaas.api.app import application
from local.vefaas.api.plane import ControlPlane
from local.vefaas.api.releaser import PlaneSettings

__all__ = ["ControlPlane", "PlaneSettings", "application"]
