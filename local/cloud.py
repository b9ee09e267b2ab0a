"""The small cloud, put together: object storage, veImageX and the deployed functions.

    picture ──PUT──▶ TOS ──event──▶ queue ──▶ function (a process) ──▶ veImageX
                      ▲                          │                        │
                      └── ledger ◀───────────────┘        source ◀────────┘

Its console shows all that in a browser, and breaks it on request.

State is in one folder; a cloud started there again goes on where the last one stopped.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local import gateway, imagex, tos
from local.console import Console, Parts
from local.faas import DeliverySettings, FunctionSpec, Platform
from local.imagex.generate import Painter
from local.imagex.restyle import restyle
from local.keys import KeyRing
from local.server import Server
from shared.runtime import Runtime
from shared.signing import Credentials

ROOT = Path(__file__).resolve().parent.parent
SERVICE_ID = "local"
DOMAIN = "img.local"
TEMPLATE = "tplv-local-repaint.image"
REGION = "cn-beijing"
UPLOADS_BUCKET = "photos"
STATE_BUCKET = "repaint-state"
UPLOAD_FUNCTION = "repaint-upload"
HTTP_FUNCTION = "repaint-http"
SWEEP_FUNCTION = "repaint-sweep"
SWEEP_TIMER = "sweep"
SWEEP_SECONDS = 60.0
UPLOAD_PREFIX = "uploads/"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the servers listen; 0 takes any free port."""

    tos: int = 0
    imagex: int = 0
    gateway: int = 0
    console: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """How many run at once, and how often the sweep comes round."""

    instances: int = 1
    max_concurrency: int = 64
    sweep_seconds: float = SWEEP_SECONDS


class Cloud:
    """The local cloud, running from entering the context to leaving it.

    `environment` adds to the functions' settings or overrides them. `on_log` gets a function's
    name and each line it writes. `scale` is the upload function's and the sweep's timer's. `book`
    is veImageX's instead of one in `folder`, `paint` its model. Raises OSError where a port is
    taken.
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
        scale: Scale = Scale(),
        book: imagex.Book | None = None,
        paint: Painter = restyle,
    ) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.keys = KeyRing()
        self.credentials = self.keys.add(_kept_credentials(self.folder / "credentials.json"))
        self.store = tos.ObjectStore(self.folder / "tos")
        self.book = book or imagex.Book(self.folder / "imagex")
        self.faults = imagex.Faults(faults)
        self.platform = Platform(
            self.folder / "faas", keys=self.keys, settings=delivery, on_log=on_log
        )
        self._environment = dict(environment or {})
        self._scale = scale
        self._stack = ExitStack()
        self.tos = Server(
            tos.application(self.store, self.keys, region=REGION, on_event=self._enqueue),
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
            ),
            ports.imagex,
        )

        self.http_token = _kept(self.folder / "http-token", secrets.token_urlsafe(24))
        self.gateway = Server(
            gateway.application(lambda event: self.platform.invoke(HTTP_FUNCTION, event)),
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
            "VEIMAGEX_ENDPOINT": self.imagex.address,
            "TOS_ENDPOINT": self.tos.address,
            "TOS_REGION": REGION,
            "REPAINT_LEDGER": f"tos://{STATE_BUCKET}/ledger/",
            **self._environment,
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
            # Deployed before the storage starts, which then delivers what an earlier one left
            # behind; run last, so that on the way out the functions stop first.
            function_id = self.deploy(UPLOAD_FUNCTION, "upload", self._scale.instances)
            self.connect(UPLOADS_BUCKET, function_id, prefix=UPLOAD_PREFIX)
            self.deploy(SWEEP_FUNCTION, "sweep")
            self.platform.add_timer(SWEEP_FUNCTION, SWEEP_TIMER, self._scale.sweep_seconds)
            self.deploy(HTTP_FUNCTION, "http", REPAINT_HTTP_TOKENS=self.http_token)
            stack.enter_context(self.imagex)
            stack.enter_context(self.tos)
            stack.enter_context(self.platform)
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

    def deploy(self, name: str, door: str, instances: int = 1, **environment: str) -> str:
        """Deploy the function `functions/<door>` as the platform loads it; return its id.

        That is a folder with `index.py` at its root and `shared/` beside it.
        """
        folder = assemble(door, self.folder / "functions" / door)
        spec = FunctionSpec(
            name,
            folder,
            {**self.settings, **environment},
            max_concurrency=self._scale.max_concurrency,
            instances=instances,
        )
        return self.platform.deploy(spec)

    def connect(self, bucket: str, function_id: str, *, prefix: str) -> None:
        """Send the bucket's creations below `prefix` to a function."""
        rule = {
            "RuleId": "repaint",
            "Events": ["tos:ObjectCreated:*"],
            "Filter": {"TOSKey": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
            "Destination": {"VeFaaS": [{"FunctionId": function_id}]},
        }
        version = self.store.buckets.get(bucket).rules_version
        self.store.buckets.set_rules(bucket, [rule], version)

    def _enqueue(self, event: Mapping[str, Any], function_id: str) -> None:
        self.platform.enqueue(function_id, event)


def assemble(door: str, folder: Path) -> Path:
    """Put together what a function's zip holds, apart from its packages, in `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        ROOT / "shared", folder / "shared", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy2(ROOT / "functions" / door / "index.py", folder / "index.py")
    return folder


class Fixed:
    """One access key for everything."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def get(self) -> Credentials:
        """Return it."""
        return self._credentials


def _kept_credentials(path: Path) -> Credentials:
    """Return the cloud's own key, made up when it starts for the first time."""
    document = {
        "access_key": "AKLTLOCAL" + secrets.token_hex(8),
        "secret_key": secrets.token_urlsafe(24),
    }
    return Credentials(**json.loads(_kept(path, json.dumps(document))))


def _kept(path: Path, text: str) -> str:
    """Return what the secret file `path` holds, and put `text` there if there is none yet."""
    if path.exists():
        return path.read_text("utf-8")
    # Written whole or not at all, and never readable by others: dying in between leaves no key,
    # and the next start makes another.
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
    return text
