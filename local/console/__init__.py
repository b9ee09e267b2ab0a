"""The local cloud's web console: the cloud's state, live, and the controls to break it."""

from local.console.app import Console
from local.console.backend import Backend

__all__ = ["Backend", "Console"]
