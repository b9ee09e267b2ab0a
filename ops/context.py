"""What commands work on: the environment, access to the services, the functions' runtime.

Here alone `ops` reaches into `local`: `--local` stands for the local cloud that is running.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import typer

from local.running import SERVED, running_cloud
from ops.ui.output import Refused
from shared.clients.credentials import ROLE_FILE, CredentialSource, FunctionCredentials
from shared.clients.http import PooledTransport, Transport
from shared.clock import Clock, SystemClock
from shared.logs import build_log
from shared.runtime import Runtime


def environment_of(context: typer.Context) -> Mapping[str, str]:
    """Return the settings of a command: the environment's, or with `--local` the local cloud's.

    Raises Refused if `--local` finds no local cloud.
    """
    is_local: bool = context.obj
    if not is_local:
        return os.environ
    found = running_cloud(SERVED)
    if found is None:
        raise Refused("No local cloud is running here: start one with 'make local'.")
    # The SDK's credential chain reads the process's own environment.
    os.environ.update({k: v for k, v in found.items() if k.startswith("VOLCENGINE_")})
    return {**os.environ, **found}


@dataclass(frozen=True, slots=True)
class ServiceAccess:
    """What requests to the services need: an access key, a transport, a clock."""

    credentials: CredentialSource
    transport: Transport
    clock: Clock


@contextmanager
def service_access(credential_file: Path = ROLE_FILE) -> Iterator[ServiceAccess]:
    """Yield access to the services; close its connections at the end."""
    transport = PooledTransport()
    try:
        yield ServiceAccess(FunctionCredentials(credential_file), transport, SystemClock())
    finally:
        transport.close()


@contextmanager
def open_runtime(
    context: typer.Context, environment: Mapping[str, str] | None = None
) -> Iterator[Runtime]:
    """Yield a runtime, wired as in the functions, that logs errors to stderr; close it at the end.

    Its settings are those in `environment`, else the command's own. Raises SettingsError, Refused.
    """
    settings = environment_of(context) if environment is None else environment
    runtime = Runtime(settings, log=build_log(sys.stderr, "error"))
    try:
        yield runtime
    finally:
        runtime.close()
