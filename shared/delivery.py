"""A delivery: one invocation for uploads, and its means to process them."""

from collections.abc import Callable
from typing import NamedTuple

from shared.clients.tos import Tos
from shared.ledger import Ledger
from shared.logs import Log


class Delivery(NamedTuple):
    """One invocation's means to process uploads: the ledger, object storage, its time, its log.

    `storage` returns object storage in a region; `deadline` is in seconds since the epoch.
    """

    ledger: Ledger
    storage: Callable[[str | None], Tos]
    deadline: float
    log: Log

    def bind(self, **fields: object) -> "Delivery":
        """Return the delivery with more fields on each line of its log."""
        return self._replace(log=self.log.bind(**fields))
