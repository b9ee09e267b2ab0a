"""The control plane of a local veFaaS, for the official client unchanged.

All of it is thread-safe.
"""

from local.vefaas.api.app import application
from local.vefaas.api.control_plane import ControlPlane
from local.vefaas.api.releaser import PlaneSettings

__all__ = ["ControlPlane", "PlaneSettings", "application"]
