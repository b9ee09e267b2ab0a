"""The control plane of a local veFaaS, which the official client talks to unchanged."""

from local.vefaas.app import application
from local.vefaas.plane import ControlPlane
from local.vefaas.releaser import PlaneSettings

__all__ = ["ControlPlane", "PlaneSettings", "application"]
