"""Deliver the events that are in the outbox."""

import json
import logging
from collections.abc import Callable, Iterable
from typing import Any

from local.tos.index import Index
from local.tos.notifications import Notice

_log = logging.getLogger(__name__)

# Called with the whole envelope and the function's id.
OnEvent = Callable[[dict[str, Any], str], None]


class Outbox:
    """What has happened and is not known to have been told yet."""

    def __init__(self, index: Index, on_event: OnEvent) -> None:
        self._index = index
        self._on_event = on_event

    def deliver(self, notices: Iterable[Notice]) -> None:
        """Tell of each event, and forget those that were told.

        The object is stored by now, so a listener that fails does not fail the request: its event
        stays, and is told again at the next start.
        """
        for notice in notices:
            try:
                self._on_event(notice.event, notice.function_id)
            except Exception:  # noqa: BLE001 (whatever a listener raises is its own fault)
                _log.exception("the event for %s is kept for the next start", notice.function_id)
                continue
            # A process that dies here tells of the event twice, as the real platform may.
            with self._index.transaction() as connection:
                connection.execute("DELETE FROM outbox WHERE id = ?", (notice.id,))

    def deliver_left(self) -> None:
        """Tell of the events that an earlier process left."""
        with self._index.reading() as connection:
            rows = connection.execute("SELECT * FROM outbox ORDER BY id").fetchall()
        self.deliver(Notice(row["id"], row["function"], json.loads(row["event"])) for row in rows)
