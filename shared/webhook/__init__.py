"""Notices: tell a receiver of one's own what became of each upload, signed, until it has it.

A notice's life, seen along the clock:

    write ───── end record, ───── first try ──────── tries of the sweep ─────────── delivered:
    the notice  or the park       3 s at most        after 1, 2, 4 … 60 minutes     removed
                                                     the first after 24 hours is the last:
                                                     dropped, with a loud line

* The notice is written *before* the end record or the park that it tells of. Dying in between
  leaves a notice of something that did not happen: whoever sends one reads the record first, and
  leaves it, or removes it where the record ended otherwise. The other way round, dying in between
  would tell nobody.
* Each writing of it sets the next try's time already, as if this one failed; only success removes
  it. So a receiver that fails costs no write, a sender that dies or hangs loses nothing, and of two
  sweeps at once the second one finds nothing due.
* It is removed *after* it was delivered. Dying in between tells the receiver twice: every try of a
  notice has the same id, by which a receiver knows the second one.

Nothing of this is done where there is no receiver: `REPAINT_WEBHOOK_URL` is not set.
"""

from shared.webhook.outbox import Notices

__all__ = ["Notices"]
