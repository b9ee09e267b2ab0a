"""The paid action, GetCVImageGenerateResult: from a request to a charge, a file and a response."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool

from local.imagex import moderation
from local.imagex.billing import BillingRecords, Charge, NameTakenError
from local.imagex.errors import MODEL_SUCCESS, ModelError, imagex_error, model_response
from local.imagex.fault_responses import BrokenResponse
from local.imagex.faults import Faults
from local.imagex.request import ImageRequest, ServiceProfile, parse_body
from local.imagex.restyle import NotAPictureError
from local.imagex.source import SourceFetcher
from local.openapi import CODES, ApiError
from shared.clock import Clock

Painter = Callable[[bytes, str, int], bytes]
"""Repaints a picture by a prompt and a seed; raises NotAPictureError."""


@dataclass(frozen=True, slots=True)
class Generator:
    """Executes requests and records them for billing."""

    billing: BillingRecords
    faults: Faults
    service: ServiceProfile
    sources: SourceFetcher
    clock: Clock
    paint: Painter
    late: set[asyncio.Task[None]] = field(default_factory=set)

    async def generate(
        self, body: bytes, service_id: str | None, request_id: str, host: str
    ) -> dict[str, Any]:
        """Return `Result`; raises ApiError, ModelError, BrokenResponse."""
        throttled = self.faults.admit(self.clock.now())
        if throttled is not None:
            raise _error(throttled)
        try:
            request = parse_body(body, service_id, self.service)
            fault, executed = self.faults.draw()
            if fault == "commit_late":
                self._execute_later(request, request_id)
                raise BrokenResponse(fault)
            if fault == "lose_request":
                raise BrokenResponse(fault)
            if fault != "charge_without_storing" and not executed:
                raise _error(fault)
            return await self._execute(request, fault, request_id, host)
        finally:
            self.faults.leave()

    async def stop(self) -> None:
        """Cancel late executions, as a provider that is switched off would."""
        for task in self.late:
            task.cancel()
        await asyncio.gather(*self.late, return_exceptions=True)

    async def _execute(
        self, request: ImageRequest, fault: str, request_id: str, host: str
    ) -> dict[str, Any]:
        try:
            source = await self._prepare(request)
            await self._wait()
            await run_in_threadpool(self._make, request, source, fault, request_id)
        except (ApiError, ModelError) as refusal:
            if fault == "lose_answer":  # also the answer that is an error
                raise BrokenResponse(fault) from refusal
            raise
        result = self._result(request, request_id, host)
        if fault == "none":
            return result
        if fault == "charge_without_storing":
            raise ApiError("InternalError", "Something went wrong after the image was made.")
        if fault in ("lose_answer", "garbage", "truncated"):
            raise BrokenResponse(fault, result)
        raise _error(fault)

    def _execute_later(self, request: ImageRequest, request_id: str) -> None:
        async def later() -> None:
            try:
                source = await self._prepare(request)
                await asyncio.sleep(self.faults.settings.commit_late_seconds)
                await run_in_threadpool(self._make, request, source, "none", request_id)
            except (ApiError, ModelError):
                pass  # The connection is closed: no client gets the error.

        task = asyncio.create_task(later())
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    async def _prepare(self, request: ImageRequest) -> bytes:
        moderation.review_input(request.prompt)
        return await run_in_threadpool(self._read, request.source)

    async def _wait(self) -> None:
        latency, limit = self.faults.latency(), self.faults.settings.time_limit_seconds
        # Waiting occupies no thread: hundreds of calls may wait at once.
        await asyncio.sleep(min(latency, limit))
        if latency > limit:
            raise ApiError(
                "InternalServiceTimeout", f"The model did not answer within {limit} seconds."
            )

    def _read(self, source: str | bytes) -> bytes:
        if isinstance(source, bytes):
            return source
        if not source.startswith(("http://", "https://")):
            file = self.billing.find_uri(source)
            if file is None:
                raise ModelError(50204, f"there is no file {source}")
            return self.billing.picture(file)
        return self.sources.fetch(source)

    def _make(self, request: ImageRequest, source: bytes, fault: str, request_id: str) -> None:
        settings = self.faults.settings
        seed = self.faults.seed() if request.seed == -1 else request.seed
        try:
            painted = self.paint(source, request.prompt, seed)
        except NotAPictureError as error:
            raise ModelError(50207, str(error)) from error
        charge = Charge(
            number=0,
            output=request.output,
            store_uri=f"{self.service.bucket}/{request.output}",
            at=self.clock.now(),
            prompt=request.prompt,
            seed=seed,
            request_id=request_id,
            source=_without_query(request.source),
            stored=False,
        )
        refusal = moderation.review_output(
            request.prompt, lambda: self.billing.is_first_review(charge.source)
        )
        if refusal is not None:
            if settings.charge_refused_output:
                self.billing.charge(charge, None, "", overwrite=False)
            raise refusal
        try:
            self.billing.charge(
                charge,
                None if fault == "charge_without_storing" else painted,
                "image/png" if painted.startswith(b"\x89PNG") else "image/jpeg",
                overwrite=request.overwrite and self.service.overwrite,
                clash_is_charged=settings.charge_name_clash,
            )
        except NameTakenError as error:
            raise ApiError(
                "InvalidParameter.Outputs",
                f"Outputs: the file {request.output} exists already and may not be overwritten.",
            ) from error

    def _result(self, request: ImageRequest, request_id: str, host: str) -> dict[str, Any]:
        uri = f"{self.service.bucket}/{request.output}"
        empty = self.faults.settings.empty_resp_json
        return {
            "ImageUrls": [picture_address(host, uri, self.service.template)],
            "StoreUris": [uri],
            "RespJson": {} if empty else model_response(MODEL_SUCCESS, "Success", request_id),
        }


def picture_address(host: str, store_uri: str, template: str) -> str:
    """Return the URL of a stored file on `host`, by which the client reached this server."""
    return f"http://{host}/{quote(store_uri)}~{quote(template)}"


def _error(fault: str) -> Exception:
    if fault.startswith("http_"):
        return BrokenResponse(fault)
    if fault in CODES:
        return ApiError(fault, "Injected by the local stand-in's settings.")
    number = int(fault)
    return ModelError(number) if number < 100_000 else imagex_error(number)


def _without_query(source: str | bytes) -> str:
    if isinstance(source, bytes):
        return "base64"
    # The query of a presigned URL is a secret for as long as the URL is valid.
    return urlsplit(source)._replace(query="", fragment="").geturl()
