"""`repaint gallery`: before and after, the newest records, in one file that loads nothing."""

from ops.records.gallery.command import gallery

__all__ = ["gallery"]
