"""A receiver of notices in memory. It takes nothing that the published packages would not take."""

import base64
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from standardwebhooks import Webhook

from shared.clients.http import Request, Response
from tests.fakes import RECEIVER, FakeCloud

# Receivers are known to hold what makes them trust in either place.
TOKENS = ("a-token-in-the-path", "a-token-in-the-query")
SECRET = f"whsec_{base64.b64encode(b'k' * 24 + bytes(range(8))).decode()}"
ENVIRONMENT = {
    "REPAINT_WEBHOOK_URL": f"{RECEIVER}{TOKENS[0]}?token={TOKENS[1]}",
    "REPAINT_WEBHOOK_SECRET": SECRET,
}


def read(request: Request, now: float) -> BaseCloudEvent:
    """Return the event of a request that was signed just now, as the published packages read it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    # `Webhook.verify` would look at the machine's clock, which a test's knows nothing of.
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
    """What a cloud's receiver got. `statuses` are what it answers in turn, before 204 for all.

    `latency` is how long it takes for each, in seconds.
    """

    cloud: FakeCloud
    events: list[BaseCloudEvent] = field(default_factory=list)
    tried_at: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    latency: float = 0.0

    def __post_init__(self) -> None:
        self.cloud.receiver = self.receive

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
