"""Fetch the source picture of a request, by default from this machine alone."""

import ipaddress
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from local.imagex.errors import ModelError
from local.server import LOOPBACK

MAX_SOURCE_BYTES = 35 * 1024 * 1024
"""Document 508/1359436."""

TIMEOUT = urllib3.Timeout(connect=5, read=10)
_TRIES = 3
_CHUNK_BYTES = 1 << 16


class SourceFetcher:
    """Fetches source pictures.

    Hosts on loopback (`127.0.0.1`, `localhost`, and any name under them, such as the local TOS's
    `photos.127.0.0.1:8302`) are connected to directly, with the URL's `Host` header: no name
    server knows them all. `resolve` maps further hosts, and names under them, to a
    port on loopback. Others are refused unless `reach_out`: the local cloud stays on this machine.
    """

    def __init__(
        self, resolve: Mapping[str, int] | None = None, *, reach_out: bool = False
    ) -> None:
        self._resolve = dict(resolve or {})
        self._reach_out = reach_out
        self._pool = urllib3.PoolManager(
            num_pools=20, maxsize=32, retries=False, timeout=TIMEOUT, headers={}
        )

    def fetch(self, address: str) -> bytes:
        """Return the bytes at `address`; raises ModelError if they cannot be read."""
        parts = urlsplit(address)
        host = parts.hostname or ""
        target = parts.path or "/"
        if parts.query:
            target += f"?{parts.query}"
        port = parts.port or (443 if parts.scheme == "https" else 80)
        mapped = next((p for name, p in self._resolve.items() if _is_under(host, name)), None)
        if mapped is not None:
            origin = ("http", LOOPBACK, mapped)
        elif _is_loopback(host):
            origin = (parts.scheme, LOOPBACK, port)
        elif self._reach_out:
            origin = (parts.scheme, host, port)
        else:
            raise ModelError(
                50204, f"the host {host} is not on this machine, and the local cloud stays on it"
            )
        netloc = parts.netloc.rpartition("@")[2]
        for attempt in range(_TRIES):
            try:
                status, body = self._get(origin, target, netloc)
            except HTTPError as error:
                status, body = 0, b""
                problem = f"no answer ({type(error).__name__})"
            else:
                problem = f"HTTP status {status}"
            if status == 200:
                return body
            if 0 < status < 500:
                break
            # The storage's error may be transient.
            time.sleep(0.05 * 2**attempt)
        raise ModelError(50204, f"the source at {host} could not be read: {problem}")

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _get(self, origin: tuple[str, str, int], target: str, netloc: str) -> tuple[int, bytes]:
        scheme, host, port = origin
        # Not by the whole URL: urllib3 would normalise its path, which is part of a signature.
        response = self._pool.connection_from_host(host, port, scheme).request(
            "GET",
            target,
            headers={"Host": netloc},
            retries=False,
            redirect=False,
            preload_content=False,
        )
        body = bytearray()
        with response:
            for chunk in response.stream(_CHUNK_BYTES):
                body += chunk
                if len(body) > MAX_SOURCE_BYTES:
                    response.close()
                    raise ModelError(50205, f"the source is over {MAX_SOURCE_BYTES} bytes")
        return response.status, bytes(body)


def _is_loopback(host: str) -> bool:
    if _is_under(host, "localhost") or _is_under(host, LOOPBACK):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_under(host: str, name: str) -> bool:
    return host == name or host.endswith(f".{name}")
