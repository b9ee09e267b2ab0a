"""A webhook endpoint in memory. It accepts only what the published packages accept."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from shared.clients.http import Request, Response
from tests.fakes import ENDPOINT, FakeCloud

# Endpoints are known to carry their token in either place.
TOKENS = ("a-token-in-the-path", "a-token-in-the-query")
SECRET = f"whsec_{base64.b64encode(b'k' * 24 + bytes(range(8))).decode()}"
ENVIRONMENT = {
    "REPAINT_WEBHOOK_URL": f"{ENDPOINT}{TOKENS[0]}?token={TOKENS[1]}",
    "REPAINT_WEBHOOK_SECRET": SECRET,
}


def read(request: Request, now: float) -> BaseCloudEvent:
    """Return the event of a request that was signed just now, as the published packages read it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    # `Webhook.verify` compares with the machine's clock, not with a test's.
    moment = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    signature = Webhook(SECRET).sign(headers["webhook-id"], moment, request.body.decode())
    assert signature == headers["webhook-signature"]
    # Other threads may have moved the clock on meanwhile.
    assert now - 300 < moment.timestamp() <= now
    event = from_http_event(HTTPMessage(headers, request.body))
    assert event.get_id() == headers["webhook-id"]
    return event


@dataclass
class Inbox:
    """The events that a cloud's endpoint received.

    It answers with each of `statuses` in turn, then with 204, each after `latency` seconds.
    """

    cloud: FakeCloud
    events: list[BaseCloudEvent] = field(default_factory=list)
    tried_at: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    latency: float = 0.0

    def __post_init__(self) -> None:
        self.cloud.endpoint = self.receive

    def receive(self, request: Request) -> Response:
        now = self.cloud.clock.now()
        event = read(request, now)
        self.tried_at.append(now)
        self.cloud.clock.advance(self.latency)
        status = self.statuses.pop(0) if self.statuses else 204
        if status < 300:
            self.events.append(event)
        return Response(status, {"location": "https://elsewhere.example.com/"}, b"thanks")

    @property
    def ids(self) -> Counter[str]:
        return Counter(event.get_id() for event in self.events)
