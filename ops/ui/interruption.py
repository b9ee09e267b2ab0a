"""Ctrl-C: once to stop in good order, twice to stop at once."""

import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Self

_SHOW_CURSOR = "\x1b[?25h"


class Interrupt:
    """Notes the first ctrl-C (SIGINT) from entering to leaving it; the second ends the process.

    Ending it there is harmless: for the ledger it is an owner that died.
    """

    def __init__(self) -> None:
        self.came = False

    def __enter__(self) -> Self:
        self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        # Whatever else is done here could meet a lock that the interrupted code holds.
        if self.came:
            sentence = "\nStopped at once. Run the same command again to go on.\n"
            cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""
            os.write(2, f"{cursor}{sentence}".encode())
            os._exit(130)
        self.came = True
