"""The deployment that a command works on: the functions' own settings and parts."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from local.running import SERVED, running_cloud
from ops.ui.output import Refused
from shared.ledger import Ledger
from shared.logs import build_log
from shared.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for all commands."""

    local: bool = False

    def environment(self) -> Mapping[str, str]:
        """Return the settings to work with. Raises Refused without a local cloud to speak to."""
        if not self.local:
            return os.environ
        found = running_cloud(SERVED)
        if found is None:
            raise Refused("No local cloud is running here: start one with 'make local'.")
        # The SDK's chain, from which the access key comes, reads the process's own environment.
        os.environ.update({k: v for k, v in found.items() if k.startswith("VOLCENGINE_")})
        return {**os.environ, **found}


@dataclass(frozen=True, slots=True)
class Deployment:
    """A runtime as the functions have it, and the ledger that they share."""

    runtime: Runtime
    ledger: Ledger


@contextmanager
def deployment(
    context: typer.Context, *, level: str = "error", bucket: str | None = None
) -> Iterator[Deployment]:
    """Open what the settings name, and close it in the end; its log goes to stderr.

    Where `bucket` is named, REPAINT_LEDGER may be left out, as for the upload function. Raises
    SettingsError, Refused.
    """
    choice: Choice = context.obj
    runtime = Runtime(choice.environment(), log=build_log(sys.stderr, level))
    try:
        ledger = runtime.ledger(bucket, None) if bucket else runtime.shared_ledger("this command")
        yield Deployment(runtime, ledger)
    finally:
        runtime.close()
