"""Events of objects: recorded with the change that they report, delivered after it."""

import json
import logging
import sqlite3
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.database import Database
from local.tos.notification_rules import destinations, matches
from local.tos.versions import StoredObject

_log = logging.getLogger(__name__)

# Called with the whole envelope and the function's id.
OnEvent = Callable[[dict[str, Any], str], None]


@dataclass(frozen=True, slots=True)
class EventOrigin:
    """The request behind an event."""

    region: str
    request_id: str
    source_ip: str
    principal: str


@dataclass(frozen=True, slots=True)
class PendingEvent:
    """One event for one function; `id` is its place in the outbox."""

    id: int
    function_id: str
    event: dict[str, Any]


def record(
    connection: sqlite3.Connection, name: str, stored: StoredObject, origin: EventOrigin | None
) -> list[PendingEvent]:
    """Put an event into the outbox for each function whose rule matches; none without an origin.

    Runs in the transaction that changes the object: a process that dies leaves no object without
    its event, and no event without its object.
    """
    if origin is None:
        return []
    (rules,) = connection.execute(
        "SELECT rules FROM buckets WHERE name = ?", (stored.bucket,)
    ).fetchone()
    pending = []
    for rule in json.loads(rules):
        if not matches(rule, name, stored.key):
            continue
        event = _envelope(name, stored, rule["RuleId"], origin)
        for _, function in destinations([rule]):
            row = connection.execute(
                "INSERT INTO outbox (function, event) VALUES (?, ?) RETURNING id",
                (function, json.dumps(event)),
            ).fetchone()
            pending.append(PendingEvent(row["id"], function, event))
    return pending


class EventOutbox:
    """The events that are not known to be delivered; without `on_event` there are none."""

    def __init__(self, index: Database, on_event: OnEvent | None) -> None:
        self._index = index
        self._on_event = on_event

    def deliver(self, pending: Iterable[PendingEvent]) -> None:
        """Deliver each event, and remove it from the outbox.

        The object is stored by now, so a listener that fails does not fail the request: its event
        stays, and is delivered again at the next start.
        """
        if self._on_event is None:
            return
        for each in pending:
            try:
                self._on_event(each.event, each.function_id)
            except Exception:  # noqa: BLE001 (a listener may raise anything)
                _log.exception("the event for %s is kept for the next start", each.function_id)
                continue
            # A process that dies here delivers the event twice, as the real platform may.
            with self._index.transaction() as connection:
                connection.execute("DELETE FROM outbox WHERE id = ?", (each.id,))

    def deliver_remaining(self) -> None:
        """Deliver the events that an earlier process left."""
        with self._index.reading() as connection:
            rows = connection.execute("SELECT * FROM outbox ORDER BY id").fetchall()
        self.deliver(
            PendingEvent(row["id"], row["function"], json.loads(row["event"])) for row in rows
        )


def _envelope(name: str, stored: StoredObject, rule_id: str, origin: EventOrigin) -> dict[str, Any]:
    moment = datetime.fromtimestamp(stored.modified, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    described: dict[str, Any] = {"eTag": stored.etag, "key": stored.key, "size": stored.size}
    if stored.version:
        described["versionId"] = stored.version
    return {
        "id": str(uuid.uuid4()),
        "source": f"trn:tos:::{stored.bucket}",
        "specversion": "1.0",
        "type": "faas.tos.event",
        "time": moment,
        "datacontenttype": "application/octet-stream",
        "data": {
            "events": [
                {
                    "eventName": name,
                    "eventSource": "tos",
                    "eventTime": moment,
                    "eventVersion": "1.0",
                    "tos": {
                        "tosSchemaVersion": "1.0",
                        "ruleId": rule_id,
                        "region": origin.region,
                        "bucket": {
                            "trn": f"trn:tos:::{stored.bucket}",
                            "name": stored.bucket,
                            "ownerIdentify": "local",
                        },
                        "object": described,
                        "requestParameters": {"sourceIPAddress": origin.source_ip},
                        "responseElements": {"requestId": origin.request_id},
                        "userIdentity": {"principalId": origin.principal},
                    },
                }
            ]
        },
    }
