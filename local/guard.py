"""Refuse requests of foreign pages to servers on loopback."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

NAMES = ("127.0.0.1", "localhost", "::1")
REFUSAL = "Only programs on this machine and the pages of this server may send requests here."


def is_ours(request: HTTPConnection) -> bool:
    """Check that a request comes from this machine, and not from another site's page.

    A foreign name that resolves to loopback would be its own origin, so the host has to be
    loopback by name, too. For requests without an origin, such as those for a picture, a browser
    sends the relation to the page they come from (`Sec-Fetch-Site`).
    """
    host = request.headers.get("host", "")
    origin = request.headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return False
    site = request.headers.get("sec-fetch-site", "none")
    if site not in ("none", "same-origin") and not _is_followed_link(request):
        return False
    try:
        name = urlsplit(f"//{host}").hostname
        peer = ip_address(request.client.host) if request.client else None
    except ValueError:
        return False
    return name in NAMES and peer is not None and peer.is_loopback


def _is_followed_link(request: HTTPConnection) -> bool:
    """Check whether a person followed a link, such as one in a terminal in a browser.

    That changes nothing here, and the page with the link cannot read the response.
    """
    fetch = [request.headers.get(f"sec-fetch-{name}") for name in ("mode", "dest")]
    return request.scope["method"] == "GET" and fetch == ["navigate", "document"]
