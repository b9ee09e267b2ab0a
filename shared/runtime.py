"""Put the parts together: once in a process, when the first event comes."""

import os
import random
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.clients.credentials import CredentialSource, FunctionCredentials
from shared.clients.http import PooledTransport, Transport
from shared.clients.imagex import Imagex
from shared.clients.tos import Tos
from shared.clock import Clock, SystemClock
from shared.errors import SettingsError
from shared.ledger import Ledger
from shared.ledger.tos import TosLedger
from shared.logs import Log, stdout_log
from shared.processing.claims import Claims
from shared.processing.generation import Generation
from shared.processing.pipeline import Pipeline
from shared.processing.rate_limit import Pace
from shared.processing.turns import WRITE_SECONDS, Turns
from shared.settings import DEFAULT_TOS_REGION, Settings, load_settings
from shared.webhook import Notices

if TYPE_CHECKING:
    from shared.http_api.app import HttpDoor
    from shared.processing.sweep import Sweep


class Runtime:
    """The parts of one deployment, wired; safe to use from several threads.

    Raises SettingsError with everything that is wrong with `environment`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        log: Log | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        transport: Transport | None = None,
        credentials: CredentialSource | None = None,
        open_ledger: Callable[[str, Tos], Ledger] | None = None,
    ) -> None:
        self.settings: Settings = load_settings(environment)
        self.log = log or stdout_log(self.settings.log_level)
        self.clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._transport = transport or PooledTransport()
        self._credentials = credentials or FunctionCredentials(self.settings.credential_file)
        self._open_ledger = open_ledger or _open_ledger
        self._lock = threading.Lock()
        self._storages: dict[str, Tos] = {}
        self._ledgers: dict[tuple[str, str], Ledger] = {}
        self.imagex = Imagex(
            endpoint=self.settings.imagex_endpoint(),
            region=self.settings.region,
            service_id=self.settings.service_id,
            credentials=self._credentials,
            transport=self._transport,
            clock=self.clock,
        )
        pace = Pace(self.clock, self.settings.max_qps)
        self._turns = Turns(self.settings, pace, self.clock)
        self.notices = Notices(
            settings=self.settings, transport=self._transport, clock=self.clock, rng=self._rng
        )
        generation = Generation(
            settings=self.settings,
            imagex=self.imagex,
            pace=pace,
            turns=self._turns,
            notices=self.notices,
            clock=self.clock,
            rng=self._rng,
        )
        self.claims = Claims(
            storage=self.storage, generation=generation, turns=self._turns, clock=self.clock
        )
        self.pipeline = Pipeline(
            settings=self.settings,
            storage=self.storage,
            ledger=self.ledger,
            claims=self.claims,
            generation=generation,
            notices=self.notices,
            clock=self.clock,
        )
        if self.settings.ledger is None:
            self.log.warning(
                "settings.questionable",
                reason="REPAINT_LEDGER is not set: what is parked in the ledger of an upload's "
                "bucket is not found by the sweep. Set it for every function.",
            )
        shortest = self.settings.timeout_seconds + WRITE_SECONDS
        if self.settings.deadline_seconds < shortest:
            self.log.warning(
                "settings.questionable",
                reason=f"An invocation has {self.settings.deadline_seconds:g} seconds, a call may "
                f"take {shortest:g}: nothing will be started. Raise the function's timeout.",
            )

    def storage(self, region: str | None) -> Tos:
        """Return object storage in the region that is set, else in the event's."""
        name = self.settings.tos_region or region or DEFAULT_TOS_REGION
        with self._lock:
            if name not in self._storages:
                endpoint, public_endpoint = self.settings.tos_endpoints(name)
                self._storages[name] = Tos(
                    endpoint=endpoint,
                    public_endpoint=public_endpoint,
                    region=name,
                    credentials=self._credentials,
                    transport=self._transport,
                    clock=self.clock,
                    rng=self._rng,
                )
            return self._storages[name]

    def ledger(self, bucket: str, region: str | None) -> Ledger:
        """Return the ledger for uploads to `bucket` in `region`."""
        place = self.settings.ledger_for(bucket)
        # One that is set is the same for all doors, and a timer's event tells no region.
        storage = self.storage(None if self.settings.ledger else region)
        with self._lock:
            found = self._ledgers.get((place, region or ""))
            if found is None:
                found = self._open_ledger(place, storage)
                self._ledgers[place, region or ""] = found
            return found

    def shared_ledger(self, user: str) -> Ledger:
        """Return the ledger that all doors share, for a door that no event tells the bucket.

        Raises SettingsError where it is not set.
        """
        if self.settings.ledger is None:
            problem = (
                f"REPAINT_LEDGER is not set: no event tells {user} in which bucket to look. "
                "Set it to the same value for every function."
            )
            raise SettingsError([problem])
        return self.ledger("", None)

    # Each of the next two is needed by one of the three functions, and imported there only.

    @cached_property
    def sweep(self) -> "Sweep":
        """What works off the ledger."""
        from shared.processing.sweep import Sweep  # noqa: PLC0415

        return Sweep(
            settings=self.settings,
            pipeline=self.pipeline,
            turns=self._turns,
            notices=self.notices,
            clock=self.clock,
            rng=self._rng,
        )

    def http(self) -> "HttpDoor":
        """Return the HTTP door. Raises SettingsError where the ledger is not set."""
        from shared.http_api.app import HttpDoor  # noqa: PLC0415

        return HttpDoor(
            settings=self.settings,
            pipeline=self.pipeline,
            storage=self.storage,
            ledger=self.shared_ledger("the HTTP door"),
        )

    def close(self) -> None:
        """Close the files and connections that were opened. The platform never asks for it."""
        for ledger in self._ledgers.values():
            ledger.close()
        if isinstance(self._transport, PooledTransport):
            self._transport.close()


def _open_ledger(place: str, storage: Tos) -> Ledger:
    scheme, _, rest = place.partition("://")
    if scheme == "sqlite":
        # Takes a while to import, and no function that is deployed has its ledger in a file.
        from shared.ledger.sqlite import SqliteLedger  # noqa: PLC0415

        return SqliteLedger(Path(rest))
    bucket, _, prefix = rest.partition("/")
    return TosLedger(storage, bucket, prefix)


_lock = threading.Lock()
_current: Runtime | None = None


def current_runtime() -> Runtime:
    """Return this process's runtime, made from its environment by the first who asks.

    Several requests run in one instance at the same time, hence the lock. Raises SettingsError,
    each time anew, until the settings are right.
    """
    global _current  # noqa: PLW0603 - the platform calls a module's function: there is no other place
    with _lock:
        if _current is None:
            _current = Runtime(os.environ)
        return _current
