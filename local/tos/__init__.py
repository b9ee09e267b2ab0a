"""Object storage on a laptop: a local TOS that the official SDK talks to unchanged."""

from local.tos.app import application
from local.tos.errors import TosError
from local.tos.store import ObjectStore

__all__ = ["ObjectStore", "TosError", "application"]
