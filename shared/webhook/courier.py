"""Take one notice to the receiver, once, without having to wait for it."""

import threading
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context

from shared.clock import Clock
from shared.errors import RepaintError
from shared.ledger import Ledger, Notice, Record
from shared.logs import Log
from shared.webhook.event import event_of
from shared.webhook.sender import Receiver

# A receiver that is dead is waited for by a process's first tries no more often than that.
_REST_SECONDS = 60.0
# A receiver that sends its answer drop by drop keeps a thread for as long as it likes.
_MOST_THREADS = 64


class Courier:
    """Sends notices, and removes what was delivered; safe to use from several threads.

    `source` is what the events name as theirs. Nothing that a receiver does is raised.
    """

    def __init__(self, receiver: Receiver, source: str, clock: Clock) -> None:
        self._receiver = receiver
        self._source = source
        self._clock = clock
        self._rests_until = 0.0
        self._places = threading.Semaphore(_MOST_THREADS)

    @property
    def rests(self) -> bool:
        """Tell whether a try failed a moment ago."""
        return self._clock.now() < self._rests_until

    def send(
        self, ledger: Ledger, notice: Notice, record: Record, *, wait: float | None, log: Log
    ) -> bool | None:
        """Send a notice of what `record` says; False where that failed, or took longer than `wait`.

        None where it was not begun, because too many are on their way. `wait` is in seconds; with
        None nobody waits, and whether it failed is not known. It is done in a thread of its own: a
        receiver can take its time between any two bytes, so that no time limit of a connection
        ends it. An answer that comes too late counts all the same.
        """
        if not self._places.acquire(blocking=False):
            return None
        ended, given_up = Future[bool](), threading.Event()

        def run() -> None:
            try:
                ended.set_result(self._send(ledger, notice, record, log, given_up))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                ended.set_exception(error)
            finally:
                self._places.release()

        # In this one's context: whoever works for a request has the request's credentials there.
        context = copy_context()
        threading.Thread(target=context.run, args=(run,), name=notice.id, daemon=True).start()
        if wait is None:
            return True
        try:
            return ended.result(wait)
        except TimeoutError:
            given_up.set()
            self._rest()
            reason = f"The receiver did not answer within {wait:g} seconds."
            log.warning("notice.failed", reason=reason, status=None, **notice.shown())
            return False

    def _send(
        self,
        ledger: Ledger,
        notice: Notice,
        record: Record,
        log: Log,
        given_up: threading.Event,
    ) -> bool:
        answer = self._receiver.post(notice.id, event_of(notice, record, self._source))
        log = log.bind(status=answer.status, **notice.shown())
        if answer.is_gone:
            log.error("notice.dropped", reason=answer.problem)
        elif answer.problem:
            self._rest()
            if not given_up.is_set():
                log.warning("notice.failed", reason=answer.problem)
            return False
        else:
            log.info("notice.delivered")
        # What stays where this fails is told once more, under the same id.
        with suppress(RepaintError):
            ledger.drop_notice(notice.id)
        return True

    def _rest(self) -> None:
        self._rests_until = self._clock.now() + _REST_SECONDS
