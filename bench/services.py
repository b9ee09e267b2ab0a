"""The services that functions are measured with: the local cloud's, each behind a `Middleware`."""

import json
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from bench.folders import Kind
from bench.middleware import Middleware
from local import imagex, tos
from local.cloud import (
    DOMAIN,
    REGION,
    SERVICE_ID,
    STATE_BUCKET,
    TEMPLATE,
    UPLOAD_PREFIX,
    UPLOADS_BUCKET,
)
from local.keys import KeyRing
from local.server import Server

PROMPT = "水彩画，柔和的晨光"
PICTURE = b"\xff\xd8\xff" + bytes(997)
"""The uploaded picture; the local provider does not read it."""


class Services:
    """Object storage and veImageX, running from entering the context to leaving it.

    The provider answers at once and returns its input, unless `faults` has other settings.
    """

    def __init__(self, folder: Path, faults: imagex.FaultSettings | None = None) -> None:
        self.folder = folder
        self.keys = KeyRing()
        self.store = tos.ObjectStore(folder / "tos")
        self.billing = imagex.BillingRecords(folder / "imagex")
        self.faults = imagex.Faults(faults or imagex.FaultSettings(latency_seconds=0.0))
        self.storage = Middleware(tos.application(self.store, self.keys, region=REGION))
        self.provider = Middleware(
            imagex.application(
                self.billing,
                self.keys,
                self.faults,
                service_id=SERVICE_ID,
                domain=DOMAIN,
                template=TEMPLATE,
                paint=lambda picture, _prompt, _seed: picture,
            )
        )
        self._servers = Server(self.storage), Server(self.provider)
        self._role = folder / "credential"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for bucket in (UPLOADS_BUCKET, STATE_BUCKET):
            self.store.create_bucket(bucket)
        key = self.keys.issue(temporary=True)
        self._role.write_text(
            json.dumps(
                {
                    "access_key_id": key.access_key,
                    "secret_access_key": key.secret_key,
                    "session_token": key.session_token,
                }
            ),
            "utf-8",
        )
        self._stack.callback(self.store.close)
        self._stack.callback(self.billing.close)
        for server in self._servers:
            self._stack.enter_context(server)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.provider.release()
        self._stack.close()

    def environment(self, kind: Kind, **settings: str) -> dict[str, str]:
        """Return the environment of a function of that kind, with `settings` added."""
        storage, provider = self._servers
        found = {
            "VEIMAGEX_SERVICE_ID": SERVICE_ID,
            "VEIMAGEX_DOMAIN": DOMAIN,
            "VEIMAGEX_TEMPLATE": TEMPLATE,
            "VEIMAGEX_ENDPOINT": provider.address,
            "TOS_ENDPOINT": storage.address,
            "TOS_REGION": REGION,
            "REPAINT_CREDENTIAL_FILE": str(self._role),
        }
        if kind in ("ours", "sweep"):
            found["REPAINT_LEDGER"] = f"tos://{STATE_BUCKET}/ledger/"
        if kind == "alternative":
            # No name server knows <bucket>.127.0.0.1, the only host that the official client
            # connects to: it gets the storage as its proxy, and veImageX without one.
            found |= {"http_proxy": storage.address, "no_proxy": "127.0.0.0/8"}
        return found | settings

    def upload(
        self, name: str, picture: bytes = PICTURE, prefix: str = UPLOAD_PREFIX
    ) -> dict[str, Any]:
        """Put a picture; return the event of it."""
        key = f"{prefix}{name}.jpg"
        metadata = {"x-tos-meta-prompt": quote(PROMPT, safe=""), "content-type": "image/jpeg"}
        self.store.put(UPLOADS_BUCKET, key, picture, metadata)
        tos_part = {
            "region": REGION,
            "bucket": {"name": UPLOADS_BUCKET},
            "object": {"key": key, "size": len(picture)},
        }
        entry = {"eventName": "tos:ObjectCreated:Put", "tos": tos_part}
        return {"type": "faas.tos.event", "data": {"events": [entry]}}

    def requests(self) -> int:
        """Return the number of requests so far."""
        return sum((self.storage.requests + self.provider.requests).values())

    def is_pending(self) -> bool:
        """Return whether the ledger holds a pending record."""
        return bool(self.store.list(STATE_BUCKET, prefix="ledger/pending/", limit=1).objects)
