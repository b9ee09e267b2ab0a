"""Upload the picture, wait for what becomes of it, and tidy up."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from shared.clients.tos import Tos
from shared.clock import Clock
from shared.errors import ObjectMissing
from shared.ledger import Record
from shared.ledger.tos import TosLedger
from shared.settings import Settings
from shared.uploads.metadata import identity, recognised

PROMPT = "水彩画，柔和的晨光"
POLL_SECONDS = 2.0
# The function leaves its document last; an upload that it does not find has no record.
_AFTERWARDS_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of the upload: its record, and the function's document; None where there is none.

    `uploaded_at` is in seconds since the epoch.
    """

    record: Record | None
    seen: dict[str, Any] | None
    uploaded_at: float

    @property
    def is_generated(self) -> bool:
        """Whether the picture was repainted."""
        return self.record is not None and self.record.state == "generated"


class Trial:
    """One upload, `number` of which makes its key and the function's document its own."""

    def __init__(
        self, storage: Tos, settings: Settings, bucket: str, key: str, number: str, clock: Clock
    ) -> None:
        self._storage = storage
        self._clock = clock
        self._bucket, self._key = bucket, key
        place = settings.ledger_for(bucket).removeprefix("tos://")
        self.ledger_bucket, _, self.ledger_prefix = place.partition("/")
        self._ledger = TosLedger(storage, self.ledger_bucket, self.ledger_prefix)
        self._seen = f"{self.ledger_prefix}smoke/{number}.json"

    def run(self, picture: bytes, seconds: float, tell: Callable[[str], None]) -> Ended:
        """Upload, and wait so long for the record and the function's document."""
        now = self._clock.now
        self._storage.put(
            self._bucket,
            self._key,
            picture,
            content_type="image/png",
            metadata={"prompt": quote(PROMPT, safe="")},
        )
        uploaded_at = now()
        tell(f"uploaded {self._bucket}/{self._key}: waiting for what becomes of it")
        info = self._storage.head(self._bucket, self._key)
        version = info.version_id or info.etag
        record_id = identity(self._bucket, self._key, version, recognised(info.metadata))
        until, said = uploaded_at + seconds, ""
        while True:
            finished = self._ledger.finished(record_id)
            pending = None if finished else self._ledger.pending(record_id)
            record = finished or (pending.record if pending else None)
            seen = self._read_seen()
            if (finished and seen) or now() >= until:
                return Ended(record, seen, uploaded_at)
            if finished or (seen and not pending):
                until = min(until, now() + _AFTERWARDS_SECONDS)
            if record and record.parked and record.reason != said:
                said = record.reason
                tell(f"parked: {said}")
            self._clock.sleep(POLL_SECONDS)

    def tidy_up(self) -> None:
        """Remove the picture and the function's document; the record and the image stay."""
        self._storage.delete(self._bucket, self._key)
        self._storage.delete(self.ledger_bucket, self._seen)

    def _read_seen(self) -> dict[str, Any] | None:
        try:
            body, _ = self._storage.get(self.ledger_bucket, self._seen)
        except ObjectMissing:
            return None
        found: dict[str, Any] = json.loads(body)
        return found
