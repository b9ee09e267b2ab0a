"""A deployment in memory: a clock that stands still, and a cloud that is a `Transport`.

The cloud keeps the provider's billing records (`charges`): what tests judge by.
"""

import hashlib
import io
import json
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from functools import cached_property
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.clients.http import Request, Response, Timeouts, Transport
from shared.clients.tos import Tos
from shared.delivery import Delivery
from shared.errors import MaybeExecuted, NotExecuted
from shared.ledger import Ledger
from shared.logs import Log, build_log
from shared.processing.claims import MARGIN_SECONDS, SEND_GRACE_SECONDS
from shared.results import Result
from shared.runtime import Runtime
from shared.settings import Settings
from shared.signing import Credentials
from shared.uploads.events import Upload, parse_uploads

START = 1_760_000_000.0
SERVICE = "serviceid"
ENDPOINT = "https://hooks.example.com/"
ENVIRONMENT = {
    "VEIMAGEX_SERVICE_ID": SERVICE,
    "VEIMAGEX_DOMAIN": "img.example.com",
    "VEIMAGEX_TEMPLATE": "tplv-serviceid-test.image",
    "VEIMAGEX_ENDPOINT": "https://imagex.example.com",
    "TOS_ENDPOINT": "https://tos.example.com",
    "REPAINT_LEDGER": "tos://photos/.repaint/",
}
SETTLE_SECONDS = float(Settings.model_fields["settle_seconds"].default)
# A second more than an attempt's lease.
LEASE_SECONDS = SEND_GRACE_SECONDS + MARGIN_SECONDS + SETTLE_SECONDS + 1.0


class FakeClock:
    """A clock that moves only by `sleep` and `advance`."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(max(0.0, seconds))

    def advance(self, seconds: float) -> None:
        self._now += seconds


class StaticCredentials:
    """Always the same access key."""

    def get(self) -> Credentials:
        return Credentials("AKLTFAKE", "the-secret-key", "the-session-token")


@dataclass
class StoredObject:
    body: bytes
    headers: dict[str, str]
    size: int
    written_at: float = 0.0

    @property
    def etag(self) -> str:
        return hashlib.md5(self.body, usedforsecurity=False).hexdigest()


Reaction = Callable[["FakeCloud", Request], Response]


@dataclass
class FakeCloud:
    """Object storage and veImageX in memory.

    `history` has every charge and every probe in their order. The next paid calls take one of
    `reactions` each; later ones generate as usual. `connecting` is called with every request's name
    before its connection is open, `interfere` with the request once it is written; both may raise
    instead of letting it through. `endpoint` answers the webhook's requests, at `ENDPOINT`.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    latency: float = 12.0
    objects: dict[tuple[str, str], StoredObject] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    charges: list[str] = field(default_factory=list)
    charged_at: list[float] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    history: list[tuple[str, str]] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    late: list[tuple[float, str]] = field(default_factory=list)
    interfere: Callable[[str, Request], None] = lambda _name, _request: None
    connecting: Callable[[str], None] = lambda _name: None
    endpoint: Callable[[Request], Response] = lambda _request: Response(204, {}, b"")
    missing_buckets: frozenset[str] | set[str] = frozenset({"no-such-bucket"})
    lock: threading.RLock = field(default_factory=threading.RLock)

    def upload(
        self,
        key: str = "uploads/cat.png",
        *,
        bucket: str = "photos",
        body: bytes = b"picture",
        content_type: str = "image/png",
        size: int | None = None,
        **metadata: str,
    ) -> dict[str, Any]:
        """Put an object; return the event of it."""
        headers = {f"x-tos-meta-{k.replace('_', '-')}": v for k, v in metadata.items()}
        stored = StoredObject(
            body, {**headers, "content-type": content_type}, len(body) if size is None else size
        )
        self.objects[bucket, key] = stored
        return object_event(bucket, key, stored.etag)

    def send(self, request: Request, timeouts: Timeouts) -> Response:
        if request.url.startswith(ENDPOINT):
            return self.endpoint(request)
        # One request at a time, so that a conditional write is atomic.
        with self.lock:
            return self._answer(request, timeouts)

    def _answer(self, request: Request, timeouts: Timeouts) -> Response:
        parts = urlsplit(request.url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        paid = query.get("Action") == "GetCVImageGenerateResult"
        name = query.get("Action") or f"{request.method} {unquote(parts.path)}"
        self.requests.append(name)
        self.connecting(name)
        request.before_first_byte()
        request.sent()
        self.interfere(name, request)
        if paid:
            answer = self._generate(request, timeouts)
        elif "Action" in query:
            answer = self._read_action(query)
        else:
            bucket = request.headers["Host"].partition(".")[0]
            answer = self._storage(request, bucket, unquote(parts.path)[1:], query)
        self._store_late()
        return answer

    def store(self, output: str, *, charged: bool = True) -> str:
        """Charge for a generation, and store its image, as the provider does."""
        if charged:
            self.charges.append(output)
            self.charged_at.append(self.clock.now())
            self.history.append(("charge", output))
        self.outputs[output] = formatdate(self.clock.now())
        return f"tos-cn-i-{SERVICE}/{output}"

    def _store_late(self) -> None:
        due = [output for at, output in self.late if at <= self.clock.now()]
        self.late = [(at, output) for at, output in self.late if at > self.clock.now()]
        for output in due:
            self.store(output)

    def _generate(self, request: Request, timeouts: Timeouts) -> Response:
        body = json.loads(request.body)
        self.bodies.append(body)
        self.fresh.append(request.fresh)
        if self.reactions:
            return self.reactions.pop(0)(self, request)
        self.clock.advance(self.latency)
        if self.latency > timeouts.read:
            raise MaybeExecuted("read timed out")
        return made(self, request)

    def _read_action(self, query: Mapping[str, str]) -> Response:
        self._store_late()
        if query["Action"] == "GetResourceURL":
            return answer({"URL": f"http://{query['Domain']}/{query['URI']}~{query['Tpl']}"})
        self.history.append(("probe", query["Prefix"]))
        items = [
            {
                "Key": output,
                "StoreUri": f"tos-cn-i-{SERVICE}/{output}",
                "FileSize": 1,
                "LastModified": modified,
            }
            for output, modified in sorted(self.outputs.items())
            if output.startswith(query["Prefix"])
        ]
        return answer({"Items": items, "HasMore": False})

    def _storage(
        self, request: Request, bucket: str, key: str, query: Mapping[str, str]
    ) -> Response:
        stored = self.objects.get((bucket, key))
        if request.method == "HEAD" and not key:
            return Response(404 if bucket in self.missing_buckets else 200, {}, b"")
        if request.method == "GET" and not key:
            return self._list(bucket, query)
        if request.method == "PUT":
            wanted = request.headers.get("x-tos-if-match")
            if request.headers.get("x-tos-forbid-overwrite") == "true" and stored is not None:
                return refusal(409, "ObjectAlreadyExists")
            if wanted is not None and (stored is None or stored.etag != wanted):
                return refusal(412, "PreconditionFailed")
            now = self.clock.now()
            self.objects[bucket, key] = StoredObject(request.body, {}, len(request.body), now)
            return Response(200, {"etag": f'"{self.objects[bucket, key].etag}"'}, b"")
        if request.method == "DELETE":
            self.objects.pop((bucket, key), None)
            return Response(204, {}, b"")
        if stored is None:
            return refusal(404, "NoSuchKey")
        headers = {
            **stored.headers,
            "etag": f'"{stored.etag}"',
            "content-length": str(stored.size),
        }
        return Response(200, headers, stored.body if request.method == "GET" else b"")

    def _list(self, bucket: str, query: Mapping[str, str]) -> Response:
        contents = [
            {
                "Key": key,
                "ETag": f'"{stored.etag}"',
                "Size": stored.size,
                "LastModified": datetime.fromtimestamp(stored.written_at, UTC).isoformat(),
            }
            for (of, key), stored in sorted(self.objects.items())
            if of == bucket
            and key.startswith(query["prefix"])
            and key > query.get("start-after", "")
        ]
        contents = contents[: int(query["max-keys"])]
        return Response(200, {}, json.dumps({"Contents": contents}).encode())


def object_event(bucket: str, key: str, etag: str | None) -> dict[str, Any]:
    """Return the platform's event of one object that was put."""
    entry = {"bucket": {"name": bucket}, "object": {"key": key, "eTag": etag, "size": 1}}
    return {
        "type": "faas.tos.event",
        "data": {"events": [{"eventName": "tos:ObjectCreated:Put", "tos": entry}]},
    }


def refusal(status: int, code: str) -> Response:
    """Return a refusal of object storage."""
    return Response(status, {}, json.dumps({"Code": code, "Message": "no"}).encode())


def answer(result: Mapping[str, Any], status: int = 200, **error: Any) -> Response:
    """Return an answer of the OpenAPI gateway."""
    metadata: dict[str, Any] = {"RequestId": "20260101-request"}
    if error:
        metadata["Error"] = error
    document = {"ResponseMetadata": metadata, "Result": dict(result)}
    return Response(status, {}, json.dumps(document).encode())


def made(cloud: FakeCloud, request: Request) -> Response:
    """Generate, charge, store and answer."""
    body = json.loads(request.body)
    output = body["Outputs"][0]
    uri = cloud.store(output)
    url = f"http://{body['Domain']}/{uri}~{body['Template']}"
    return answer({"ImageUrls": [url], "StoreUris": [uri], "RespJson": "{}"})


def model_refuses(code: int) -> Reaction:
    """Have the model answer with `code`, without an image."""
    return lambda _cloud, _request: answer({"RespJson": {"code": code, "message": "no"}})


def gateway_refuses(code: str, number: int = 0, status: int = 400) -> Reaction:
    """Have the gateway answer with an error, without an image."""
    return lambda _cloud, _request: answer({}, status, Code=code, CodeN=number, Message="no")


def answer_lost(cloud: FakeCloud, request: Request) -> Response:
    """Generate and charge, but lose the answer."""
    cloud.clock.advance(cloud.latency)
    made(cloud, request)
    raise MaybeExecuted("reset")


def nothing_made(cloud: FakeCloud, _request: Request) -> Response:
    """Cut the call off before the provider did anything."""
    cloud.clock.advance(cloud.latency)
    raise MaybeExecuted("reset")


def not_connected(_cloud: FakeCloud, _request: Request) -> Response:
    """Refuse the connection."""
    raise NotExecuted("refused")


def late(seconds: float) -> Reaction:
    """Cut the call off; the provider stores the image so many seconds after it was sent."""

    def react(cloud: FakeCloud, request: Request) -> Response:
        (output,) = json.loads(request.body)["Outputs"]
        cloud.late.append((cloud.clock.now() + seconds, output))
        raise MaybeExecuted("reset")

    return react


class Lines:
    """Collects a log's lines."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.log: Log = build_log(self._stream, "debug")

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    def clear(self) -> None:
        self._stream.seek(0)
        self._stream.truncate()

    def __iter__(self) -> Any:
        return (json.loads(line) for line in self.text.splitlines())

    def named(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self if line["event"] == event]


@dataclass
class World:
    """A deployment in memory: its cloud, its clock, its log."""

    cloud: FakeCloud = field(default_factory=FakeCloud)
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    lines: Lines = field(default_factory=Lines)
    runtimes: list[Runtime] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for runtime in self.runtimes:
            runtime.close()

    @property
    def clock(self) -> FakeClock:
        return self.cloud.clock

    def runtime(
        self,
        *,
        transport: Transport | None = None,
        open_ledger: Callable[[str, Tos], Ledger] | None = None,
    ) -> Runtime:
        """Return a new process's runtime."""
        runtime = Runtime(
            self.environment,
            log=self.lines.log.bind(request_id="r1"),
            clock=self.clock,
            rng=random.Random(0),
            transport=transport or self.cloud,
            credentials=StaticCredentials(),
            open_ledger=open_ledger,
        )
        self.runtimes.append(runtime)
        return runtime

    def deliver(
        self, event: dict[str, Any], runtime: Runtime | None = None, *, seconds: float = 120
    ) -> Result:
        """Deliver the event of one upload of one variant, to a new process unless one is given."""
        (result,) = self.deliver_all(event, runtime, seconds=seconds)
        return result

    def deliver_all(
        self, event: dict[str, Any], runtime: Runtime | None = None, *, seconds: float = 120
    ) -> list[Result]:
        """Deliver the event of one upload; return the result of each variant."""
        (upload,) = parse_uploads(event)
        assert isinstance(upload, Upload)
        runtime = runtime or self.runtime()
        return runtime.pipeline.handle(upload, self.delivery(runtime, seconds=seconds))

    def sweep(self, runtime: Runtime | None = None, *, seconds: float = 120) -> dict[str, int]:
        """Run one tick of the sweep, in a new process unless one is given."""
        runtime = runtime or self.runtime()
        return runtime.sweep.run(self.delivery(runtime, seconds=seconds))

    def delivery(self, runtime: Runtime, *, seconds: float = 120) -> Delivery:
        """Return an invocation of `runtime` that has so many seconds left."""
        return Delivery(runtime.ledger, runtime.storage, self.clock.now() + seconds, runtime.log)

    @property
    def ledger(self) -> Ledger:
        """The ledger, as another process sees it."""
        return self._watcher.ledger

    @cached_property
    def _watcher(self) -> Runtime:
        return self.runtime()

    def finish(self, *, ticks: int = 12) -> None:
        """Run the sweep, an hour apart, until nothing is pending or all `ticks` are used.

        A record in doubt stays pending: only an operator can end it.
        """
        for _ in range(ticks):
            if not list(self.ledger.pending_ids()):
                return
            self.clock.advance(3601)
            self.sweep()
