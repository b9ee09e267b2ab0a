"""A local object storage that is being served, and a client that signs its requests."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import urllib3

from local.keys import KeyRing
from local.tos import ObjectStore
from shared import signing
from shared.signing import Credentials

Response = urllib3.BaseHTTPResponse


class MovedClock:
    """The system's clock, put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


@dataclass
class Storage:
    """A served object storage, and a client that signs its requests."""

    store: ObjectStore
    keys: KeyRing
    credentials: Credentials
    clock: MovedClock
    port: int
    pool: urllib3.PoolManager
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"photos.localhost:{self.port}"

    def send(
        self, method: str, target: str, headers: dict[str, str], body: bytes = b""
    ) -> Response:
        return self.pool.request(
            method, f"http://127.0.0.1:{self.port}{target}", headers=headers, body=body
        )

    def headers(
        self,
        method: str,
        key: str = "",
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **changes: Any,
    ) -> dict[str, str]:
        parameters: dict[str, Any] = {
            "host": self.host,
            "credentials": self.credentials,
            "region": "cn-beijing",
            "now": time.time(),
        }
        return signing.tos_headers(
            method=method,
            key=key,
            query=query or {},
            headers=headers or {},
            **{**parameters, **changes},
        )

    def request(
        self,
        method: str,
        key: str = "",
        body: bytes = b"",
        *,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
        **changes: Any,
    ) -> Response:
        target = signing.object_path(key)
        if query:
            target += "?" + signing.canonical_query(query)
        return self.send(method, target, self.headers(method, key, query, headers, **changes), body)

    def set_rules(self, *rules: dict[str, Any], version: str = "") -> Response:
        body = json.dumps({"Rules": rules, "Version": version}).encode()
        return self.request("PUT", body=body, query={"notification_v2": ""})

    def presigned(self, method: str = "GET", key: str = "cat.png", expires: int = 60) -> str:
        address = signing.tos_presigned_url(
            method=method,
            scheme="http",
            host=self.host,
            key=key,
            query={},
            credentials=self.credentials,
            region="cn-beijing",
            now=time.time(),
            expires_seconds=expires,
        )
        return address.removeprefix(f"http://{self.host}")


def rule(
    function: str = "repaint",
    *,
    events: tuple[str, ...] = ("tos:ObjectCreated:*",),
    prefix: str = "",
    suffix: str = "",
) -> dict[str, Any]:
    filters = [{"Name": "prefix", "Value": prefix}, {"Name": "suffix", "Value": suffix}]
    return {
        "RuleId": f"to-{function}",
        "Events": list(events),
        "Filter": {"TOSKey": {"FilterRules": filters}},
        "Destination": {"VeFaaS": [{"FunctionId": function}]},
    }
