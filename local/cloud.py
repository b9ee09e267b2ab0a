"""The local cloud: object storage, veImageX and the function platform.

    picture ──PUT──▶ TOS ──event──▶ queue ──▶ function (a process) ──▶ veImageX
                      ▲                          │                        │
                      └── ledger ◀───────────────┘        source ◀────────┘

Its console shows all that in a browser, and injects faults on request. It runs the functions of
this source tree or, as a bare cloud, only those that are deployed by the platform's API.

State is in one folder; a cloud that is started there again goes on where the last one stopped.
"""

import secrets
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local import builtin_functions, console, gateway, imagex, tos
from local.builtin_functions import (
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
from local.imagex.generate import Painter
from local.imagex.restyle import restyle
from local.keys import KeyRing, load_or_create, load_or_create_credentials
from local.permissions import Authorizer
from local.server import Server
from local.vefaas import api as vefaas
from local.vefaas.runtime import DeliverySettings, Platform
from shared.runtime import Runtime
from shared.signing import Credentials

__all__ = [
    "DOMAIN", "HTTP_FUNCTION", "REGION", "ROOT", "SERVICE_ID", "STATE_BUCKET", "SWEEP_FUNCTION",
    "SWEEP_TIMER", "TEMPLATE", "UPLOADS_BUCKET", "UPLOAD_FUNCTION", "UPLOAD_PREFIX", "Cloud",
    "FixedCredentials", "Ports", "Scale", "assemble",
]  # fmt: skip

SERVICE_ID = "local"
DOMAIN = "img.local"
TEMPLATE = "tplv-local-repaint.image"
REGION = "cn-beijing"
STATE_BUCKET = "repaint-state"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the servers; 0 is any free one."""

    tos: int = 0
    imagex: int = 0
    gateway: int = 0
    console: int = 0
    vefaas: int = 0


class Cloud:
    """The local cloud, running from entering the context to leaving it.

    `environment` adds to the functions' settings or overrides them. `on_log` is called with a
    function's name and each of its lines. `scale` is that of the upload function and the sweep.
    `billing` are veImageX's records instead of those in `folder`, `paint` is its model. A `bare`
    cloud runs deployed functions only; `control_plane` are the settings by which they are deployed.
    `authorizer` decides what roles may do: a function works with the role that it was deployed
    with, a built-in one with a role of its own name. Raises OSError if a port is taken,
    RuntimeError if another cloud runs in `folder`, or if functions are deployed there and it is
    not bare.
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
        billing: imagex.BillingRecords | None = None,
        paint: Painter = restyle,
        bare: bool = False,
        control_plane: vefaas.ControlPlaneSettings | None = None,
        authorizer: Authorizer | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.keys = KeyRing()
        key_file = self.folder / "credentials.json"
        self.credentials = self.keys.add(load_or_create_credentials(key_file))
        self.store = tos.ObjectStore(self.folder / "tos")
        self.billing = billing or imagex.BillingRecords(self.folder / "imagex")
        self.faults = imagex.Faults(faults)
        self.platform = Platform(
            self.folder / "faas", keys=self.keys, settings=delivery, on_log=on_log
        )
        self.control_plane = vefaas.ControlPlane(
            self.folder / "vefaas",
            self.platform,
            settings=control_plane,
            environment=self._endpoints,
            rules=self.store.buckets.rules,
        )
        self._bare = bare
        if self.control_plane.is_used and not bare:
            # No server is open yet.
            for part in (self.control_plane, self.platform.queue, self.store, self.billing):
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
                authorizer=authorizer,
            ),
            ports.tos,
        )
        self.imagex = Server(
            imagex.application(
                self.billing,
                self.keys,
                self.faults,
                service_id=SERVICE_ID,
                domain=DOMAIN,
                template=TEMPLATE,
                paint=paint,
                authorizer=authorizer,
            ),
            ports.imagex,
        )
        self.vefaas = Server(
            vefaas.application(self.control_plane, self.keys, region=REGION, authorizer=authorizer),
            ports.vefaas,
        )
        self.http_token = load_or_create(self.folder / "http-token", secrets.token_urlsafe(24))
        self.gateway = Server(
            gateway.application(
                lambda event: self.platform.invoke(gateway.upstream(self.platform.functions), event)
            ),
            ports.gateway,
        )
        self._console = console.Console(
            console.Backend(
                platform=self.platform,
                billing=self.billing,
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
        """The settings that point a function, or another client, to this cloud.

        They hold no secret but those in `environment`.
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
        """Return the addresses of this cloud's services."""
        return {
            "VEIMAGEX_ENDPOINT": self.imagex.address,
            "TOS_ENDPOINT": self.tos.address,
            "TOS_REGION": REGION,
        }

    def runtime(self) -> Runtime:
        """Return a runtime as the functions have it, for use outside of them."""
        return Runtime(self.settings, credentials=FixedCredentials(self.credentials))

    def __enter__(self) -> Self:
        for bucket in (UPLOADS_BUCKET, STATE_BUCKET):
            self.store.create_bucket(bucket)
        with ExitStack() as stack:
            stack.callback(self.store.close)
            stack.callback(self.billing.close)
            stack.callback(self.control_plane.close)
            # Functions are deployed before the storage starts, which then delivers the events of an
            # earlier one; the platform starts last, so that the functions stop first at the end.
            self._start_builtin_functions()
            self.control_plane.start()
            stack.enter_context(self.imagex)
            stack.enter_context(self.tos)
            stack.enter_context(self.vefaas)
            stack.enter_context(self.platform)
            stack.callback(self.control_plane.stop)
            stack.enter_context(self.gateway)
            stack.enter_context(self.console)
            # Its streams never end by themselves, and the server waits for open ones.
            stack.callback(self._console.stream.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _start_builtin_functions(self) -> None:
        if self._bare:
            builtin_functions.disconnect(self.store)
            return
        folder = self.folder / "functions"
        builtin_functions.start(
            self.platform, self.store, folder, self.settings, self.http_token, self._scale
        )

    def _enqueue(self, event: Mapping[str, Any], function_id: str) -> None:
        self.platform.enqueue(function_id, event)


class FixedCredentials:
    """One access key, for every call."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get(self) -> Credentials:
        """Return the key."""
        return self._credentials
