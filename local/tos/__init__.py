"""Object storage on a laptop: a local TOS that the official SDK talks to unchanged.

Its objects may be used from several threads.
"""

from local.tos.app import application
from local.tos.errors import TosApiError
from local.tos.store import ObjectStore

__all__ = ["ObjectStore", "TosApiError", "application"]
