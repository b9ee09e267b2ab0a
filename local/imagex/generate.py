"""The paid action, GetCVImageGenerateResult: from an order to a charge, a file and an answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool

from local.imagex import answers, moderation, rules
from local.imagex.answers import MODEL_SUCCESS, ModelRefusal, model_answer
from local.imagex.book import Book, Charge, NameTakenError
from local.imagex.faults import Faults
from local.imagex.restyle import NotAPictureError
from local.imagex.rules import Order, Service
from local.imagex.source import Sources
from local.openapi import CODES, Refusal
from shared.clock import Clock

Painter = Callable[[bytes, str, int], bytes]
"""Repaints a picture as a prompt and a seed say; raises NotAPictureError."""


class BrokenAnswer(Exception):
    """The client gets no proper answer: `fault` says what instead, `result` what it would be."""

    def __init__(self, fault: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(fault)
        self.fault = fault
        self.result = result


@dataclass(frozen=True, slots=True)
class Generator:
    """Executes orders and enters them into the book."""

    book: Book
    faults: Faults
    service: Service
    sources: Sources
    clock: Clock
    paint: Painter
    late: set[asyncio.Task[None]]

    async def generate(
        self, body: bytes, service_id: str | None, request_id: str, host: str
    ) -> dict[str, Any]:
        """Return `Result`; raises Refusal, ModelRefusal, BrokenAnswer."""
        throttled = self.faults.admit(self.clock.now())
        if throttled is not None:
            raise _error(throttled)
        try:
            order = rules.read(body, service_id, self.service)
            fault, executed = self.faults.draw()
            if fault == "commit_late":
                self._execute_later(order, request_id)
                raise BrokenAnswer(fault)
            if fault == "lose_request":
                raise BrokenAnswer(fault)
            if fault != "charge_without_storing" and not executed:
                raise _error(fault)
            return await self._execute(order, fault, request_id, host)
        finally:
            self.faults.leave()

    async def stop(self) -> None:
        """Give up what was to be executed later, as a provider that is switched off does."""
        for task in self.late:
            task.cancel()
        await asyncio.gather(*self.late, return_exceptions=True)

    async def _execute(
        self, order: Order, fault: str, request_id: str, host: str
    ) -> dict[str, Any]:
        try:
            source = await self._prepare(order)
            await self._take_time()
            await run_in_threadpool(self._make, order, source, fault, request_id)
        except (Refusal, ModelRefusal) as refusal:
            if fault == "lose_answer":  # whatever the answer is
                raise BrokenAnswer(fault) from refusal
            raise
        result = self._result(order, request_id, host)
        if fault == "none":
            return result
        if fault == "charge_without_storing":
            raise Refusal("InternalError", "Something went wrong after the image was made.")
        if fault in ("lose_answer", "garbage", "truncated"):
            raise BrokenAnswer(fault, result)
        raise _error(fault)

    def _execute_later(self, order: Order, request_id: str) -> None:
        async def later() -> None:
            try:
                source = await self._prepare(order)
                await asyncio.sleep(self.faults.settings.commit_late_seconds)
                await run_in_threadpool(self._make, order, source, "none", request_id)
            except (Refusal, ModelRefusal):
                pass  # Nobody is left who could be told.

        task = asyncio.create_task(later())
        self.late.add(task)
        task.add_done_callback(self.late.discard)

    async def _prepare(self, order: Order) -> bytes:
        moderation.review_input(order.prompt)
        return await run_in_threadpool(self._read, order.source)

    async def _take_time(self) -> None:
        latency, limit = self.faults.latency(), self.faults.settings.time_limit_seconds
        # Waiting takes no thread: hundreds of calls may wait at once.
        await asyncio.sleep(min(latency, limit))
        if latency > limit:
            raise Refusal(
                "InternalServiceTimeout", f"The model did not answer within {limit} seconds."
            )

    def _read(self, source: str | bytes) -> bytes:
        if isinstance(source, bytes):
            return source
        if not source.startswith(("http://", "https://")):
            bucket, _, name = source.partition("/")
            file = self.book.find(name) if bucket == self.service.bucket else None
            if file is None:
                raise ModelRefusal(50204, f"there is no file {source}")
            return self.book.picture(file)
        return self.sources.fetch(source)

    def _make(self, order: Order, source: bytes, fault: str, request_id: str) -> None:
        settings = self.faults.settings
        seed = self.faults.seed() if order.seed == -1 else order.seed
        try:
            painted = self.paint(source, order.prompt, seed)
        except NotAPictureError as error:
            raise ModelRefusal(50207, str(error)) from error
        charge = Charge(
            number=0,
            output=order.output,
            store_uri=f"{self.service.bucket}/{order.output}",
            at=self.clock.now(),
            prompt=order.prompt,
            seed=seed,
            request_id=request_id,
            source=_without_query(order.source),
            stored=False,
        )
        refusal = moderation.review_output(
            order.prompt, lambda: self.book.is_first_review(charge.source)
        )
        if refusal is not None:
            if settings.charge_refused_output:
                self.book.charge(charge, None, "", overwrite=False)
            raise refusal
        try:
            self.book.charge(
                charge,
                None if fault == "charge_without_storing" else painted,
                "image/png" if painted.startswith(b"\x89PNG") else "image/jpeg",
                overwrite=order.overwrite and self.service.overwrite,
                clash_is_charged=settings.charge_name_clash,
            )
        except NameTakenError as error:
            raise Refusal(
                "InvalidParameter.Outputs",
                f"Outputs: the file {order.output} exists already and may not be overwritten.",
            ) from error

    def _result(self, order: Order, request_id: str, host: str) -> dict[str, Any]:
        uri = f"{self.service.bucket}/{order.output}"
        empty = self.faults.settings.empty_resp_json
        return {
            "ImageUrls": [picture_address(host, uri, self.service.template)],
            "StoreUris": [uri],
            "RespJson": {} if empty else model_answer(MODEL_SUCCESS, "Success", request_id),
        }


def picture_address(host: str, store_uri: str, template: str) -> str:
    """Return where this server shows a stored file; `host` is how the client reached it."""
    return f"http://{host}/{quote(store_uri)}~{quote(template)}"


def _error(fault: str) -> Exception:
    if fault.startswith("http_"):
        return BrokenAnswer(fault)
    if fault in CODES:
        return Refusal(fault, "Injected by the local stand-in's settings.")
    number = int(fault)
    return ModelRefusal(number) if number < 100_000 else answers.refusal(number)


def _without_query(source: str | bytes) -> str:
    if isinstance(source, bytes):
        return "base64"
    # A presigned address is a secret for as long as it is valid, and its query is the secret.
    return urlsplit(source)._replace(query="", fragment="").geturl()
