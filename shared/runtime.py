"""The composition root: build the objects of a deployment, once in each process."""

import os
import random
import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from shared.clients.credentials import CredentialSource, FunctionCredentials
from shared.clients.http import PooledTransport, Transport
from shared.clients.imagex import Imagex
from shared.clients.rate_limit import RateLimiter
from shared.clients.tos import Tos
from shared.clock import Clock, SystemClock
from shared.delivery import Delivery
from shared.ledger import Ledger
from shared.ledger.tos import TosLedger
from shared.logs import Log, stdout_log
from shared.processing.attempts import AttemptRunner
from shared.processing.claims import WRITE_SECONDS, Claims, LeasePolicy
from shared.processing.pipeline import Pipeline
from shared.settings import DEFAULT_TOS_REGION, Settings, load_settings
from shared.signing import webhook_key

if TYPE_CHECKING:
    from shared.http_api.app import HttpApi
    from shared.processing.redrive import Redrive
    from shared.processing.sweep import Sweep
    from shared.webhook import WebhookOutbox


class Runtime:
    """The objects of one deployment, wired. Thread-safe.

    Raises SettingsError with every problem of `environment`.
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
        self._ledger: Ledger | None = None
        self.imagex = Imagex(
            endpoint=self.settings.imagex_endpoint(),
            region=self.settings.region,
            service_id=self.settings.service_id,
            credentials=self._credentials,
            transport=self._transport,
            clock=self.clock,
        )
        self.policy = LeasePolicy(self.settings.timeout_seconds, self.settings.settle_seconds)
        self._limiter = RateLimiter(self.clock, self.settings.max_qps)
        self._webhook = self._build_webhook()
        self.claims = Claims(
            policy=self.policy,
            limiter=self._limiter,
            clock=self.clock,
            output_prefix=self.settings.output_prefix,
            capped=self.settings.daily_cap is not None,
        )
        self.runner = AttemptRunner(
            imagex=self.imagex,
            limiter=self._limiter,
            policy=self.policy,
            webhook=self._webhook,
            clock=self.clock,
            rng=self._rng,
            domain=self.settings.domain,
            output_prefix=self.settings.output_prefix,
            daily_cap=self.settings.daily_cap,
        )
        self.pipeline = Pipeline(
            upload_filter=self.settings.upload_filter,
            defaults=self.settings.defaults,
            claims=self.claims,
            runner=self.runner,
            webhook=self._webhook,
            clock=self.clock,
        )
        shortest = self.settings.timeout_seconds + WRITE_SECONDS
        if self.settings.deadline_seconds < shortest:
            self.log.warning(
                "settings.warning",
                reason=f"An invocation has {self.settings.deadline_seconds:g} seconds, a call may "
                f"take {shortest:g}: nothing will be started. Raise the function's timeout.",
            )

    def delivery(self, log: Log | None = None) -> Delivery:
        """Return an invocation's means to process uploads; its time begins now."""
        deadline = self.clock.now() + self.settings.deadline_seconds
        return Delivery(self.ledger, self.storage, deadline, log or self.log)

    def storage(self, region: str | None) -> Tos:
        """Return object storage in the configured region, else in the event's."""
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

    @property
    def ledger(self) -> Ledger:
        """Return the ledger, which is the same for every function."""
        storage = self.storage(None)
        with self._lock:
            if self._ledger is None:
                self._ledger = self._open_ledger(self.settings.ledger, storage)
            return self._ledger

    # Each of the next three is needed by few processes, and imported there only.

    @cached_property
    def sweep(self) -> "Sweep":
        """Return the sweep over the ledger."""
        from shared.processing.sweep import Sweep  # noqa: PLC0415

        return Sweep(
            pipeline=self.pipeline,
            policy=self.policy,
            limiter=self._limiter,
            webhook=self._webhook,
            clock=self.clock,
            rng=self._rng,
            daily_cap=self.settings.daily_cap,
        )

    @cached_property
    def http_api(self) -> "HttpApi":
        """Return the HTTP API."""
        from shared.http_api.app import HttpApi  # noqa: PLC0415

        return HttpApi(
            settings=self.settings,
            pipeline=self.pipeline,
            storage=self.storage,
            ledger=self.ledger,
        )

    def redrive(self, *, later: bool) -> "Redrive":
        """Return what runs records again; with `later`, the new ones are left to the sweep."""
        from shared.processing.redrive import Redrive  # noqa: PLC0415

        return Redrive(
            claims=self.claims,
            runner=self.runner,
            policy=self.policy,
            pipeline=self.pipeline,
            clock=self.clock,
            later=later,
        )

    def close(self) -> None:
        """Close the files and connections that were opened. The platform never asks for it."""
        if self._ledger is not None:
            self._ledger.close()
        if isinstance(self._transport, PooledTransport):
            self._transport.close()

    def _build_webhook(self) -> "WebhookOutbox | None":
        settings = self.settings
        if settings.webhook_url is None or settings.webhook_secret is None:
            return None
        # Few deployments have a webhook.
        from shared.webhook.outbox import WebhookOutbox  # noqa: PLC0415
        from shared.webhook.sender import Endpoint, Sender  # noqa: PLC0415

        endpoint = Endpoint(
            url=settings.webhook_url.get_secret_value(),
            key=webhook_key(settings.webhook_secret.get_secret_value()),
            transport=self._transport,
            clock=self.clock,
        )
        source = f"/repaint/{quote(settings.service_id, safe='')}"
        sender = Sender(endpoint, source, self.clock)
        return WebhookOutbox(sender, clock=self.clock, rng=self._rng)


def _open_ledger(place: str, storage: Tos) -> Ledger:
    scheme, _, rest = place.partition("://")
    if scheme == "sqlite":
        # Slow to import, and no deployed function has its ledger in a file.
        from shared.ledger.sqlite import SqliteLedger  # noqa: PLC0415

        return SqliteLedger(Path(rest))
    bucket, _, prefix = rest.partition("/")
    return TosLedger(storage, bucket, prefix)


_lock = threading.Lock()
_current: Runtime | None = None


def current_runtime() -> Runtime:
    """Return this process's runtime, built from its environment on the first call.

    Several requests run in one instance at the same time, hence the lock. Raises SettingsError,
    each time anew, until the settings are right.
    """
    global _current  # noqa: PLW0603 - the platform calls a module's function: there is no other place
    with _lock:
        if _current is None:
            _current = Runtime(os.environ)
        return _current
