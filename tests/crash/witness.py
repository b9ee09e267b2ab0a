"""A receiver of notices that looks whether what it is told has happened."""

from dataclasses import dataclass, field

from cloudevents.core.base import BaseCloudEvent

from shared.clients.http import Request, Response
from shared.ledger import Record
from tests.fakes import World
from tests.inbox import ENVIRONMENT, read


@dataclass
class Witness:
    """What a world's receiver was told; `untrue` is what had not happened by then.

    `statuses` are what it answers in turn, before 200 for all.
    """

    world: World
    events: list[BaseCloudEvent] = field(default_factory=list)
    untrue: list[tuple[BaseCloudEvent, Record | None]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.environment |= ENVIRONMENT
        self.world.cloud.receiver = self.receive

    def receive(self, request: Request) -> Response:
        event = read(request, self.world.clock.now())
        record_id, _, what = event.get_id().partition("-")
        # Read in this order: it may end meanwhile.
        pending = self.world.ledger.pending(record_id)
        record = self.world.ledger.finished(record_id) or (pending.record if pending else None)
        was_so = record is not None and what in (
            "parked" if record.park_reported else "",
            record.state,
        )
        if not was_so:
            # Raised here, it would only be one more receiver that fails.
            self.untrue.append((event, record))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.events.append(event)
        return Response(status, {}, b"")
