"""Send one event to the endpoint: the CloudEvent, its signature, a try that nobody waits long for.

Source of the event's form: the CloudEvents specification 1.0, JSON format.
"""

import json
import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from shared.clients.http import Request, Timeouts, Transport
from shared.clock import Clock
from shared.errors import NoAnswer, RepaintError
from shared.ledger import Ledger, OutboxEntry, Record, Status
from shared.ledger.outbox import EventType
from shared.logs import Log
from shared.redaction import hide_query
from shared.results import result_of
from shared.signing import webhook_headers

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
TIMEOUTS = Timeouts(connect=2.0, read=5.0)
# The first tries of a process wait for a dead endpoint no more often than that.
_REST_SECONDS = 60.0
# An endpoint that sends its answer drop by drop keeps a thread for as long as it likes.
_MOST_THREADS = 64


def event_type(record: Record) -> EventType | None:
    """Return which event reports a record's state; None if none does."""
    match record.status:
        case Status.GENERATED:
            return "repaint.image.generated"
        case Status.REJECTED:
            return "repaint.image.rejected"
        case Status.DEFERRED | Status.IN_DOUBT:
            return "repaint.image.parked"
    return None


def event_of(entry: OutboxEntry, record: Record, source: str) -> bytes:
    """Return an entry's event in structured mode: the state of `record`, and since when.

    Its subject is the object, or the record if a caller gave its own picture.
    """
    is_parked = entry.type == "repaint.image.parked"
    ended_at = entry.created_at if is_parked else record.updated_at
    bucket, key = record.source.bucket, record.source.key
    event = {
        "specversion": "1.0",
        "id": entry.id,
        "type": entry.type,
        "source": source,
        "subject": _visible(f"{bucket}/{key}") if bucket else record.id,
        "time": datetime.fromtimestamp(ended_at, UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        # The fields of a delivery's result, with none left out that may be empty.
        "data": {
            "reason": "",
            "image_urls": [],
            "store_uris": [],
            **result_of(record).to_dict(),
            "bucket": bucket,
            "key": key,
            "attempts": len(record.attempts),
        },
    }
    return json.dumps(event, ensure_ascii=False).encode()


def _visible(text: str) -> str:
    """Percent-encode what an attribute may not hold, such as control characters."""
    return "".join(c if c.isprintable() else quote(c) for c in text)


class Answer(NamedTuple):
    """An endpoint's answer to an event; `status` is None without a whole one."""

    status: int | None
    problem: str | None = None

    @property
    def is_gone(self) -> bool:
        """Return whether the endpoint wants no more events."""
        return self.status == 410


class Endpoint:
    """Posts events to a URL, which is as secret as the key: it may hold a token."""

    def __init__(self, *, url: str, key: bytes, transport: Transport, clock: Clock) -> None:
        self._url = url
        self._key = key
        self._transport = transport
        self._clock = clock

    def post(self, event_id: str, event: bytes) -> Answer:
        """Post an event, signed for this moment, once; no redirect is followed. Raises nothing."""
        headers = webhook_headers(
            message_id=event_id, body=event, key=self._key, now=self._clock.now()
        )
        headers |= {"Content-Type": CONTENT_TYPE, "User-Agent": "repaint"}
        try:
            answer = self._transport.send(Request("POST", self._url, headers, event), TIMEOUTS)
        except NoAnswer as error:
            return Answer(None, self._without_url(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever a URL does to the client
            return Answer(None, self._without_url(f"{type(error).__name__}: {error}"))
        if 200 <= answer.status < 300:
            return Answer(answer.status)
        problem = f"The endpoint answered with HTTP {answer.status}"
        if 300 <= answer.status < 400:
            problem += ", and redirects are not followed: set REPAINT_WEBHOOK_URL to their target"
        return Answer(answer.status, f"{problem}.")

    def _without_url(self, text: str) -> str:
        parts, place = urlsplit(self._url), self._url.partition("?")[0]
        return hide_query(text.replace(place, f"{parts.scheme}://{parts.netloc}"), self._url)


class Sender:
    """Sends events, and removes the delivered ones from the outbox.

    `source` is the events' attribute of that name. Nothing that an endpoint does is raised.
    """

    def __init__(self, endpoint: Endpoint, source: str, clock: Clock) -> None:
        self._endpoint = endpoint
        self._source = source
        self._clock = clock
        self._rests_until = 0.0
        self._places = threading.Semaphore(_MOST_THREADS)

    @property
    def rests(self) -> bool:
        """Return whether a try failed a moment ago."""
        return self._clock.now() < self._rests_until

    def send(
        self, ledger: Ledger, entry: OutboxEntry, record: Record, *, wait: float | None, log: Log
    ) -> bool | None:
        """Send the event of `record`'s state; False if that failed, or took longer than `wait`.

        None if it was not begun, because too many are under way. `wait` is in seconds; with None
        nobody waits, and it is not known whether it failed. It is done in a thread of its own: an
        endpoint can take its time between any two bytes, so that no time limit of a connection
        ends it. An answer that comes too late counts all the same.
        """
        if not self._places.acquire(blocking=False):
            return None
        ended, given_up = Future[bool](), threading.Event()

        def run() -> None:
            try:
                ended.set_result(self._send(ledger, entry, record, log, given_up))
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits
                ended.set_exception(error)
            finally:
                self._places.release()

        # In this thread's context, which has the credentials of the request in hand.
        context = copy_context()
        threading.Thread(target=context.run, args=(run,), name=entry.id, daemon=True).start()
        if wait is None:
            return True
        try:
            return ended.result(wait)
        except TimeoutError:
            given_up.set()
            self._rest()
            reason = f"The endpoint did not answer within {wait:g} seconds."
            log.warning("notice.failed", reason=reason, status=None, **entry.log_fields())
            return False

    def _send(
        self,
        ledger: Ledger,
        entry: OutboxEntry,
        record: Record,
        log: Log,
        given_up: threading.Event,
    ) -> bool:
        answer = self._endpoint.post(entry.id, event_of(entry, record, self._source))
        log = log.bind(status=answer.status, **entry.log_fields())
        if answer.is_gone:
            log.error("notice.dropped", reason=answer.problem)
        elif answer.problem:
            self._rest()
            if not given_up.is_set():
                log.warning("notice.failed", reason=answer.problem)
            return False
        else:
            log.info("notice.delivered")
        # An entry that stays because this fails is sent once more, under the same id.
        with suppress(RepaintError):
            ledger.drop_entry(entry.id)
        return True

    def _rest(self) -> None:
        self._rests_until = self._clock.now() + _REST_SECONDS
