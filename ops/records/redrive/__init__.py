"""`repaint redrive`: run records again, on purpose.

    which ones ──▶ what was sent for them, what may be paid for again ──▶ asked, unless --yes
                                                                               │
        new records, each in the place of an old one  ◀────────────────────────┘
             └──▶ threads ──▶ the functions' own pipeline, or with --later the sweep

An end state never changes, so what is run again is a record of its own. Its id follows from the
old one's: however often a command is repeated, interrupted or run twice at once, there is one.
"""

from ops.records.redrive.command import redrive

__all__ = ["redrive"]
