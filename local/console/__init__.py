"""The local cloud's web console: what is in the cloud, live, and the switches to break it."""

from local.console.app import Console
from local.console.parts import Parts

__all__ = ["Console", "Parts"]
