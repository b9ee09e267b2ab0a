"""The CloudEvent that tells of a record. Source: the CloudEvents specification 1.0, JSON format."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

from shared.ledger import Notice, Record
from shared.ledger.outbox import NoticeType
from shared.results import result_of

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def type_of(record: Record) -> NoticeType | None:
    """Return what there is to tell of a record as it is; None where there is nothing."""
    match record.state:
        case "generated":
            return "repaint.image.generated"
        case "rejected":
            return "repaint.image.rejected"
        case "pending" if record.parked:
            return "repaint.image.parked"
    return None


def event_of(notice: Notice, record: Record, source: str) -> bytes:
    """Return the event of a notice, in structured mode: what came to be of `record`, and when.

    Its subject is the object, or the record where a caller gave its own picture.
    """
    is_parked = notice.type == "repaint.image.parked"
    ended_at = notice.created_at if is_parked else record.updated_at
    event = {
        "specversion": "1.0",
        "id": notice.id,
        "type": notice.type,
        "source": source,
        "subject": _visible(f"{record.bucket}/{record.key}") if record.bucket else record.id,
        "time": datetime.fromtimestamp(ended_at, UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        # What a delivery answers, with nothing left out that may be empty.
        "data": {
            "reason": "",
            "image_urls": [],
            "store_uris": [],
            **result_of(record).to_dict(),
            "bucket": record.bucket or None,
            "key": record.key or None,
            "attempts": len(record.attempts),
        },
    }
    return json.dumps(event, ensure_ascii=False).encode()


def _visible(text: str) -> str:
    """Write what an attribute may not hold, control characters and the like, percent-encoded."""
    return "".join(c if c.isprintable() else quote(c) for c in text)
