"""A webhook endpoint that checks each event against the ledger."""

from dataclasses import dataclass, field

from cloudevents.core.base import BaseCloudEvent

from shared.clients.http import Request, Response
from shared.ledger import Record, find
from tests.fakes import World
from tests.inbox import ENVIRONMENT, read


@dataclass
class Witness:
    """The events that a world's endpoint received; `untrue` are those that had not happened yet.

    It answers with each of `statuses` in turn, then with 200.
    """

    world: World
    events: list[BaseCloudEvent] = field(default_factory=list)
    untrue: list[tuple[BaseCloudEvent, Record | None]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.environment |= ENVIRONMENT
        self.world.cloud.endpoint = self.receive

    def receive(self, request: Request) -> Response:
        event = read(request, self.world.clock.now())
        record_id, _, what = event.get_id().partition("-")
        record = find(self.world.ledger, record_id)
        is_true = record is not None and what in (
            "parked" if record.park_reported else "",
            record.state,
        )
        if not is_true:
            # Raised here, it would count as a failure of the endpoint.
            self.untrue.append((event, record))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.events.append(event)
        return Response(status, {}, b"")
