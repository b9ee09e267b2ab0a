"""`repaint status`: how many records are where, which wait longest, what today cost.

With nothing said it costs what is pending, and never what has ended: that may be a million.
"""

from ops.records.status.command import status

__all__ = ["status"]
