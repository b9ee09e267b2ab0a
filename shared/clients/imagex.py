"""veImageX: generate, find an output, get an output's URL."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shared.backoff import Backoff
from shared.clients.credentials import CredentialSource
from shared.clients.http import Request, Response, Timeouts, Transport, time_of
from shared.clients.imagex_errors import Verdict, verdict_of_error, verdict_of_model
from shared.clients.imagex_model import CallBody
from shared.clock import Clock
from shared.errors import CredentialsError, MaybeExecuted, NoAnswer, ProbeFailed
from shared.json_utils import as_object
from shared.redaction import redact_text
from shared.signing import canonical_query, openapi_headers

_SERVICE = "ImageX"
_MAX_PAGES = 10
_TRIES = 3
_BACKOFF = Backoff(base=0.2, factor=5.0, ceiling=1.0)
_GENERATED = "10000"


class StoredFile(NamedTuple):
    """A file in the service's listing."""

    store_uri: str
    last_modified: str


class Generated(NamedTuple):
    """The call generated an image. URLs come in more than one form: never parse them."""

    image_urls: list[str]
    store_uris: list[str]
    request_id: str


class Failed(NamedTuple):
    """The call did not report an image; `verdict` decides what to do next."""

    verdict: Verdict
    code: str
    message: str
    request_id: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.code else self.message


Outcome = Generated | Failed


class Imagex:
    """One veImageX service in one region."""

    def __init__(
        self,
        *,
        endpoint: str,
        region: str,
        service_id: str,
        credentials: CredentialSource,
        transport: Transport,
        clock: Clock,
    ) -> None:
        self._endpoint = endpoint
        self._host = urlsplit(endpoint).netloc
        self._region = region
        self._service_id = service_id
        self._credentials = credentials
        self._transport = transport
        self._clock = clock
        self._clock_lock = threading.Lock()
        self._clock_offset = 0.0

    def generate(
        self,
        body: CallBody,
        *,
        read_timeout: float,
        before_first_byte: Callable[[], None],
        sent: Callable[[], None],
    ) -> Outcome:
        """Make the paid call `GetCVImageGenerateResult` (508/1359436), once.

        It is signed and sent a second time only if the gateway refused the first for its clock or
        its session token, and so executed nothing. Each time `before_first_byte` is called once the
        connection is open and nothing is left that could wait; an exception of it ends the call
        before anything is sent. `sent` is called once the request is written.
        """

        def once() -> Outcome:
            return self._generate_once(body, read_timeout, before_first_byte, sent)

        outcome = once()
        if isinstance(outcome, Failed) and outcome.verdict in (Verdict.CLOCK, Verdict.TOKEN):
            # The clock was set by the answer's Date, and credentials are read for every request.
            outcome = once()
        if isinstance(outcome, Failed) and outcome.verdict in (Verdict.CLOCK, Verdict.TOKEN):
            return Failed(Verdict.CONFIGURATION, outcome.code, outcome.message, outcome.request_id)
        return outcome

    def find_output(self, name: str) -> StoredFile | None:
        """Return the stored output `name`, None if it does not exist.

        `GetImageStorageFiles` answers with an empty list for "absent". Raises ProbeFailed if the
        answer is anything but a clear yes or no.
        """
        wanted = f"tos-cn-i-{self._service_id}/{name}"
        query = {"Prefix": name, "Limit": "1000"}
        # Whether the listing is sorted is not documented: read on until the name is found.
        for _ in range(_MAX_PAGES):
            result = self._read("GetImageStorageFiles", "2018-08-01", query)
            items = result.get("Items")
            if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
                raise ProbeFailed("GetImageStorageFiles answered without a list of Items.")
            for item in items:
                uri, key = str(item.get("StoreUri") or ""), str(item.get("Key") or "")
                if {uri, key} & {wanted, name}:
                    return StoredFile(uri or wanted, str(item.get("LastModified")))
            if not result.get("HasMore"):
                return None
            query["Marker"] = str(result.get("Marker") or "")
        raise ProbeFailed(f"Too many files of the service begin with {name!r}.")

    def url_of(self, store_uri: str, *, domain: str, template: str) -> str:
        """Return the URL of a stored image under a template (`GetResourceURL`).

        Raises ProbeFailed if the answer has none.
        """
        result = self._read(
            "GetResourceURL",
            "2023-05-01",
            {"Domain": domain, "URI": store_uri, "Tpl": template, "Proto": "http"},
        )
        if not result.get("URL"):
            raise ProbeFailed("GetResourceURL answered without a URL.")
        return str(result["URL"])

    def _generate_once(
        self,
        body: CallBody,
        read_timeout: float,
        before_first_byte: Callable[[], None],
        sent: Callable[[], None],
    ) -> Outcome:
        try:
            request = self._signed(
                "POST", "GetCVImageGenerateResult", "2023-05-01", {}, body.to_json()
            )
        except CredentialsError as error:
            return Failed(Verdict.CONFIGURATION, "", str(error))
        # On a connection of its own: an idle one may have been dropped without notice, and the
        # outcome of a call that was never sent would be unknown.
        request = replace(request, before_first_byte=before_first_byte, sent=sent, fresh=True)
        try:
            answer = self._send(request, read_timeout)
        except NoAnswer as error:
            executed = isinstance(error, MaybeExecuted)
            return Failed(Verdict.UNKNOWN if executed else Verdict.NOT_EXECUTED, "", str(error))
        return read_outcome(answer)

    def _read(self, action: str, version: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Return the `Result` of a read-only call, tried up to three times."""
        problem = ""
        for tries in range(_TRIES):
            if tries:
                self._clock.sleep(_BACKOFF.pause(tries))
            try:
                request = self._signed("GET", action, version, query, b"")
                answer = self._send(replace(request, fresh=bool(problem)), 10.0)
            except CredentialsError as error:
                raise ProbeFailed(str(error), misconfigured=True) from None
            except NoAnswer as error:
                problem = str(error)
                continue
            document = as_object(answer.body) or {}
            result, error_part = document.get("Result"), error_of(document, answer.status) or {}
            if answer.status == 200 and not error_part and isinstance(result, dict):
                return result
            problem = (
                f"{action} answered with HTTP {answer.status} "
                f"{error_part.get('Code', '')} {error_part.get('Message', '')}".rstrip()
                + "."
            )
            if error_part and verdict_of(error_part) is Verdict.CONFIGURATION:
                raise ProbeFailed(redact_text(problem), misconfigured=True)
        raise ProbeFailed(redact_text(problem))

    def _signed(
        self, method: str, action: str, version: str, query: Mapping[str, str], body: bytes
    ) -> Request:
        full = {"Action": action, "Version": version, "ServiceId": self._service_id, **query}
        headers = openapi_headers(
            method=method,
            host=self._host,
            path="/",
            query=full,
            content_type="application/json",
            body=body,
            credentials=self._credentials.get(),
            region=self._region,
            service=_SERVICE,
            now=self._clock.now() + self._clock_offset,
        )
        return Request(method, f"{self._endpoint}/?{canonical_query(full)}", headers, body)

    def _send(self, request: Request, read_timeout: float) -> Response:
        answer = self._transport.send(request, Timeouts(read=read_timeout, whole=read_timeout))
        error = error_of(as_object(answer.body), answer.status)
        theirs = time_of(answer)
        if error and verdict_of(error) is Verdict.CLOCK and theirs is not None:
            with self._clock_lock:
                self._clock_offset = theirs - self._clock.now()
        return answer


def read_outcome(answer: Response) -> Outcome:
    """Read an answer of `GetCVImageGenerateResult`.

    A success is HTTP 200 without an error, both lists filled, and the model's code 10000 if it has
    one.
    """
    document = as_object(answer.body)
    if document is None:
        verdict = Verdict.THROTTLED if answer.status == 429 else Verdict.UNKNOWN
        return Failed(verdict, "", f"HTTP {answer.status} without a readable body.")
    metadata = document.get("ResponseMetadata")
    request_id = str(metadata.get("RequestId") or "") if isinstance(metadata, dict) else ""
    result = document.get("Result")
    result = result if isinstance(result, dict) else {}
    urls, uris = _texts(result.get("ImageUrls")), _texts(result.get("StoreUris"))
    error, model = error_of(document, answer.status), as_object(result.get("RespJson"))
    if uris and (error or (model and str(model.get("code")) != _GENERATED)):
        # It reports both an image and a failure: probe.
        return Failed(Verdict.UNKNOWN, "", "The answer contradicts itself.", request_id)
    if model and str(model.get("code")) != _GENERATED:
        code = str(model.get("code") or "")
        return Failed(
            verdict_of_model(code),
            code,
            redact_text(str(model.get("message") or "the model failed")),
            request_id,
        )
    if error:
        return Failed(
            verdict_of(error),
            str(error.get("Code") or ""),
            redact_text(str(error.get("Message") or "")),
            request_id,
        )
    if answer.status == 200 and urls and uris:
        return Generated(urls, uris, request_id)
    verdict = Verdict.THROTTLED if answer.status == 429 else Verdict.UNKNOWN
    return Failed(verdict, "", f"HTTP {answer.status} without a result or an error.", request_id)


def verdict_of(error: Mapping[str, Any]) -> Verdict:
    """Return the verdict of a gateway's error."""
    return verdict_of_error(
        str(error.get("Code") or ""), error.get("CodeN"), str(error.get("Message") or "")
    )


def error_of(document: dict[str, Any] | None, status: int) -> dict[str, Any] | None:
    """Return the gateway's error, if there is one; under HTTP 200 `CodeN` 0 is none."""
    metadata = (document or {}).get("ResponseMetadata")
    error = metadata.get("Error") if isinstance(metadata, dict) else None
    if not isinstance(error, dict) or not error:
        return None
    return None if status == 200 and error.get("CodeN") == 0 else error


def _texts(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str) and v] if isinstance(value, list) else []
