"""The webhook: signed events about each upload, sent to an endpoint until it has received them.

An event's life, seen along the clock:

    outbox ──── end record, ───── first try ──────── tries of the sweep ─────────── delivered:
    entry       or the park       3 s at most        after 1, 2, 4 … 60 minutes     removed
                                                     the first after 24 hours is the last:
                                                     dropped, with an error in the log

* The outbox entry is written *before* the end record or the park that it reports. Dying in between
  leaves an event of something that did not happen: the sender reads the record first, and leaves
  the entry, or removes it if the record ended otherwise. The other way round, dying in between
  would report nothing.
* Each write of it sets the next try's time already, as if this one failed; only success removes it.
  So a failing endpoint costs no write, a sender that dies or hangs loses nothing, and of two sweeps
  at once the second one finds nothing due.
* It is removed *after* it was delivered. Dying in between sends the event twice: every try has the
  same id, by which an endpoint recognises the second one.

Nothing of this runs without REPAINT_WEBHOOK_URL. The package is thread-safe.
"""

from shared.webhook.outbox import WebhookOutbox

__all__ = ["WebhookOutbox"]
