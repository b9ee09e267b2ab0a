"""A local veImageX being served, and a client that signs."""

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import urllib3
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from local.imagex import BillingRecords, Faults, FaultSettings, application
from local.imagex.restyle import restyle
from local.keys import KeyRing
from local.server import Server
from shared.signing import Credentials, canonical_query, openapi_headers

SERVICE = "abc123"
DOMAIN = "pictures.example.com"
TEMPLATE = "tplv-abc123-test.image"
NOW = 1_750_000_000.0


class SetClock:
    """A clock that stands at `at` until it is set."""

    def __init__(self, at: float = NOW) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def picture(kind: str = "PNG", size: tuple[int, int] = (24, 16)) -> bytes:
    out = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(out, kind)
    return out.getvalue()


def body(**changes: Any) -> dict[str, Any]:
    """A call's body; `ReqJson=…` adds to the model's request, None takes a field away."""
    request = {"req_key": "i2i_xl_sft", "prompt": "漫画风格", "seed": 7}
    whole = {
        "Domain": DOMAIN,
        "Template": TEMPLATE,
        "Outputs": ["out/one"],
        "ImageUrl": "http://127.0.0.1:9/never-asked",
        "ModelAction": "Img2ImgXLSft",
        "ModelVersion": "2022-08-31",
        **changes,
    }
    model = changes.get("ReqJson", {})
    whole["ReqJson"] = without_none({**request, **model}) if isinstance(model, dict) else model
    return without_none(whole)


def without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def error(self) -> Any:
        return self.json["ResponseMetadata"]["Error"]

    @property
    def result(self) -> Any:
        return self.json["Result"]


@dataclass
class World:
    server: Server
    billing: BillingRecords
    faults: Faults
    keys: KeyRing
    credentials: Credentials
    clock: SetClock
    source: str
    http: urllib3.PoolManager

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def send(
        self,
        method: str,
        query: Mapping[str, str],
        content: bytes = b"",
        *,
        credentials: Credentials | None = None,
        region: str = "cn-north-1",
        skew: float = 0.0,
        changed: Mapping[str, str | None] | None = None,
        timeout: float = 20.0,
    ) -> Answer:
        """Sign and send; `changed` are headers that are changed after signing, None: taken."""
        headers = openapi_headers(
            method=method,
            host=self.host,
            path="/",
            query=query,
            content_type="application/json",
            body=content,
            credentials=credentials or self.credentials,
            region=region,
            service="ImageX",
            now=self.clock.now() + skew,
        )
        response = self.http.request(
            method,
            f"{self.server.address}/?{canonical_query(query)}",
            headers=without_none({**headers, **(changed or {})}),
            body=content,
            timeout=timeout,
        )
        return Answer(response.status, response.headers, response.data)

    def generate(self, fields: Mapping[str, Any] | None = None, **options: Any) -> Answer:
        query = {"Action": "GetCVImageGenerateResult", "Version": "2023-05-01"}
        query["ServiceId"] = options.pop("service_id", SERVICE)
        fields = body(ImageUrl=self.source) if fields is None else fields
        return self.send("POST", query, json.dumps(fields).encode(), **options)

    def paint(self, output: str = "out/one", **changes: Any) -> Answer:
        """Generate from a source that exists."""
        return self.generate(body(**{"ImageUrl": self.source, "Outputs": [output], **changes}))

    def ask(self, action: str, version: str = "2018-08-01", **query: str) -> Answer:
        query = {"Action": action, "Version": version, "ServiceId": SERVICE, **query}
        return self.send("GET", query)

    def get(self, url: str, **headers: str) -> Answer:
        response = self.http.request("GET", url, headers=headers)
        return Answer(response.status, response.headers, response.data)

    def outcomes(self) -> list[str]:
        return [call.outcome for call in self.billing.calls()]


@contextmanager
def world(folder: Path, settings: FaultSettings | None = None, **options: Any) -> Iterator[World]:
    """Serve a veImageX whose book lies in `folder`, and one source picture for it."""
    keys = KeyRing()
    faults = Faults(settings or FaultSettings(latency_seconds=0))
    clock = SetClock()
    with (
        closing(BillingRecords(folder)) as billing,
        Server(sources()) as origin,
        Server(
            application(
                billing,
                keys,
                faults,
                service_id=SERVICE,
                domain=DOMAIN,
                template=TEMPLATE,
                clock=clock,
                **{"paint": restyle, **options},
            )
        ) as server,
        urllib3.PoolManager(retries=False, maxsize=50) as http,
    ):
        source = f"http://photos.127.0.0.1:{origin.port}/cat.png?X-Tos-Signature=secret"
        yield World(server, billing, faults, keys, keys.issue(), clock, source, http)


def sources() -> Starlette:
    """A picture at /cat.png, and whatever else an address can lead to.

    /status/N answers with that status; /busy answers 503 twice and then the picture; /size/N is
    so many bytes; /kind/FORMAT a picture of that format; /moved leads elsewhere.
    """
    asked_while_busy: list[None] = []

    def cat(request: Request) -> Response:
        if not request.headers["host"].startswith("photos."):
            return Response(status_code=404)
        return Response(picture(), media_type="image/png")

    def status(request: Request) -> Response:
        return Response(status_code=request.path_params["number"])

    def busy(request: Request) -> Response:
        del request
        asked_while_busy.append(None)
        return Response(picture()) if len(asked_while_busy) > 2 else Response(status_code=503)

    def size(request: Request) -> Response:
        return Response(bytes(request.path_params["number"]))

    def kind(request: Request) -> Response:
        return Response(picture(request.path_params["name"]))

    def echo(request: Request) -> Response:
        wanted = "/a%20b/./%E6%BC%AB~c?sign=a%2Bb&x="
        query = parse_qs(request.url.query, keep_blank_values=True)
        asked = f"{request.scope['raw_path'].decode()}?{request.url.query}"
        ok = asked == wanted and query == {"sign": ["a+b"], "x": [""]}
        return Response(picture()) if ok else Response(status_code=400)

    return Starlette(
        routes=[
            Route("/cat.png", cat),
            Route("/status/{number:int}", status),
            Route("/busy", busy),
            Route("/size/{number:int}", size),
            Route("/kind/{name}", kind),
            Route("/moved", lambda _: RedirectResponse("/cat.png")),
            Route("/a b/./漫~c", echo),
        ]
    )
