"""The small cloud, put together: object storage, veImageX and the function platform.

    picture ──PUT──▶ TOS ──event──▶ queue ──▶ function (a process) ──▶ veImageX
                      ▲                          │                        │
                      └── ledger ◀───────────────┘        source ◀────────┘

Its console shows all that in a browser, and breaks it on request. The functions are those of this
source tree or, in a bare cloud, none but what is deployed by the platform's API.

State is in one folder; a cloud started there again goes on where the last one stopped.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local import gateway, imagex, own, tos
from local.console import Console, Parts
from local.imagex.generate import Painter
from local.imagex.restyle import restyle
from local.keys import KeyRing, kept, kept_credentials
from local.own import (
    HTTP_FUNCTION,
    ROOT,
    SWEEP_FUNCTION,
    SWEEP_TIMER,
    UPLOAD_FUNCTION,
    UPLOAD_PREFIX,
    UPLOADS_BUCKET,
    Scale,
    assemble,
)
from local.policy import Policies
from local.server import Server
from local.vefaas import api as vefaas
from local.vefaas.runtime import DeliverySettings, Platform
from shared.runtime import Runtime
from shared.signing import Credentials

__all__ = [
    "DOMAIN",
    "HTTP_FUNCTION",
    "REGION",
    "ROOT",
    "SERVICE_ID",
    "STATE_BUCKET",
    "SWEEP_FUNCTION",
    "SWEEP_TIMER",
    "TEMPLATE",
    "UPLOADS_BUCKET",
    "UPLOAD_FUNCTION",
    "UPLOAD_PREFIX",
    "Cloud",
    "Fixed",
    "Ports",
    "Scale",
    "assemble",
]

SERVICE_ID = "local"
DOMAIN = "img.local"
TEMPLATE = "tplv-local-repaint.image"
REGION = "cn-beijing"
STATE_BUCKET = "repaint-state"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers listen; 0 takes any free port."""

    tos: int = 0
    imagex: int = 0
    gateway: int = 0
    console: int = 0
    vefaas: int = 0


class Cloud:
    """The local cloud, running from entering the context to leaving it.

    `environment` adds to the functions' settings or overrides them. `on_log` gets a function's
    name and each line it writes. `scale` is the upload function's and the sweep's timer's. `book`
    is veImageX's instead of one in `folder`, `paint` its model. A `bare` cloud runs no function
    but those that are deployed; `plane` is how its platform releases them. `role_policies` say
    what roles may do: a function works with the role that it was deployed with, one of the source
    tree with a role of its own name. Raises OSError where a port is taken, RuntimeError where
    another cloud runs in `folder`, or one that is not bare would run there what was deployed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        ports: Ports = Ports(),
        faults: imagex.FaultSettings | None = None,
        delivery: DeliverySettings | None = None,
        environment: Mapping[str, str] | None = None,
        on_log: Callable[[str, str], None] | None = None,
        scale: Scale = Scale(),  # noqa: B008 (it has no state)
        book: imagex.Book | None = None,
        paint: Painter = restyle,
        bare: bool = False,
        plane: vefaas.PlaneSettings | None = None,
        role_policies: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.keys = KeyRing()
        self.credentials = self.keys.add(kept_credentials(self.folder / "credentials.json"))
        self.policies = Policies(self.keys, role_policies)
        self.store = tos.ObjectStore(self.folder / "tos")
        self.book = book or imagex.Book(self.folder / "imagex")
        self.faults = imagex.Faults(faults)
        self.platform = Platform(
            self.folder / "faas", keys=self.keys, settings=delivery, on_log=on_log
        )
        self.plane = vefaas.ControlPlane(
            self.folder / "vefaas",
            self.platform,
            settings=plane,
            environment=self._endpoints,
            rules=self.store.buckets.rules,
        )
        self._bare = bare
        if self.plane.is_used and not bare:
            # Before any server: what was opened so far is all there is to close.
            for part in (self.plane, self.platform.queue, self.store, self.book):
                part.close()
            raise RuntimeError(
                f"Functions are deployed in {self.folder}: start a bare cloud there, which runs "
                "them and none of its own, or choose another folder."
            )
        self._environment = dict(environment or {})
        self._scale = scale
        self._stack = ExitStack()
        self.tos = Server(
            tos.application(
                self.store,
                self.keys,
                region=REGION,
                on_event=self._enqueue,
                is_released=lambda function: function in self.platform.functions,
                policies=self.policies,
            ),
            ports.tos,
        )
        self.imagex = Server(
            imagex.application(
                self.book,
                self.keys,
                self.faults,
                service_id=SERVICE_ID,
                domain=DOMAIN,
                template=TEMPLATE,
                paint=paint,
                policies=self.policies,
            ),
            ports.imagex,
        )
        self.vefaas = Server(
            vefaas.application(self.plane, self.keys, region=REGION, policies=self.policies),
            ports.vefaas,
        )
        self.http_token = kept(self.folder / "http-token", secrets.token_urlsafe(24))
        self.gateway = Server(
            gateway.application(
                lambda event: self.platform.invoke(gateway.behind(self.platform.functions), event)
            ),
            ports.gateway,
        )
        self._console = Console(
            Parts(
                platform=self.platform,
                book=self.book,
                faults=self.faults,
                runtime=self.runtime,
                logs=self.folder / "faas" / "logs",
                bucket=UPLOADS_BUCKET,
                prefix=UPLOAD_PREFIX,
                template=TEMPLATE,
                sweep=SWEEP_TIMER,
                addresses={
                    "tos": self.tos.address,
                    "imagex": self.imagex.address,
                    "gateway": self.gateway.address,
                },
            )
        )
        self.console = Server(self._console.application, ports.console)

    @property
    def settings(self) -> dict[str, str]:
        """The settings that point a function, or anything else, to this cloud.

        No secret is in them but what came with `environment`.
        """
        return {
            "VEIMAGEX_SERVICE_ID": SERVICE_ID,
            "VEIMAGEX_DOMAIN": DOMAIN,
            "VEIMAGEX_TEMPLATE": TEMPLATE,
            **self._endpoints(),
            "VEFAAS_ENDPOINT": self.vefaas.address,
            "REPAINT_LEDGER": f"tos://{STATE_BUCKET}/ledger/",
            **self._environment,
        }

    def _endpoints(self) -> dict[str, str]:
        """Return what stands in for the services' own names, which no laptop resolves."""
        return {
            "VEIMAGEX_ENDPOINT": self.imagex.address,
            "TOS_ENDPOINT": self.tos.address,
            "TOS_REGION": REGION,
        }

    def runtime(self) -> Runtime:
        """Return the parts that a function is made of, for use from outside the functions."""
        return Runtime(self.settings, credentials=Fixed(self.credentials))

    def __enter__(self) -> Self:
        for bucket in (UPLOADS_BUCKET, STATE_BUCKET):
            self.store.create_bucket(bucket)
        with ExitStack() as stack:
            stack.callback(self.store.close)
            stack.callback(self.book.close)
            stack.callback(self.plane.close)
            # Deployed before the storage starts, which then delivers what an earlier one left
            # behind; run last, so that on the way out the functions stop first.
            self._run_own()
            self.plane.start()
            stack.enter_context(self.imagex)
            stack.enter_context(self.tos)
            stack.enter_context(self.vefaas)
            stack.enter_context(self.platform)
            stack.callback(self.plane.stop)
            stack.enter_context(self.gateway)
            stack.enter_context(self.console)
            # Its streams never end by themselves, and the server waits for what it still serves.
            stack.callback(self._console.live.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _run_own(self) -> None:
        """Run the functions of this source tree, or none at all in a bare cloud."""
        if self._bare:
            own.disconnect(self.store)
            return
        folder = self.folder / "functions"
        own.run(self.platform, self.store, folder, self.settings, self.http_token, self._scale)

    def _enqueue(self, event: Mapping[str, Any], function_id: str) -> None:
        self.platform.enqueue(function_id, event)


class Fixed:
    """One access key for everything."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get(self) -> Credentials:
        """Return it."""
        return self._credentials
