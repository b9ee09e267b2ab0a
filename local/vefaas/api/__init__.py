"""The control plane of a local veFaaS, for the official client unchanged.

All of it is thread-safe.
"""

from local.vefaas.api.app import application
from local.vefaas.api.control_plane import ControlPlane
from local.vefaas.api.releaser import ControlPlaneSettings

__all__ = ["ControlPlane", "ControlPlaneSettings", "application"]
