"""Whoever wants to be told: one address that signed events are posted to."""

from typing import NamedTuple
from urllib.parse import urlsplit

from shared.clients.http import Request, Timeouts, Transport
from shared.clock import Clock
from shared.errors import NoAnswer
from shared.redaction import hide_query
from shared.signing import webhook_headers
from shared.webhook.event import CONTENT_TYPE

TIMEOUTS = Timeouts(connect=2.0, read=5.0)


class Answer(NamedTuple):
    """What a receiver said to an event; without a `status` nothing whole. `problem` is why not."""

    status: int | None
    problem: str = ""

    @property
    def is_gone(self) -> bool:
        """Tell whether it says that it wants no more of it."""
        return self.status == 410


class Receiver:
    """Posts events to an address; safe to use from several threads.

    The address is as secret as the key: it may hold a token, in its path or its query.
    """

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
            return Answer(None, self._without_address(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever an address does to the client
            return Answer(None, self._without_address(f"{type(error).__name__}: {error}"))
        if 200 <= answer.status < 300:
            return Answer(answer.status)
        told = f"The receiver answered with HTTP {answer.status}"
        if 300 <= answer.status < 400:
            told += ", and redirects are not followed: set REPAINT_WEBHOOK_URL to where it leads"
        return Answer(answer.status, f"{told}.")

    def _without_address(self, text: str) -> str:
        parts, place = urlsplit(self._url), self._url.partition("?")[0]
        return hide_query(text.replace(place, f"{parts.scheme}://{parts.netloc}"), self._url)
