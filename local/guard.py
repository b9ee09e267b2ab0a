"""Who may drive what listens on loopback: this machine's programs and its own pages, no other's."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

NAMES = ("127.0.0.1", "localhost", "::1")
REFUSAL = "Only programs of this machine, and the pages that this address serves, may ask here."


def is_ours(request: HTTPConnection) -> bool:
    """Say whether a request comes from this machine and from no other site's page.

    A foreign name that was made to resolve to loopback would be its own origin: so the host has
    to be loopback by name as well. A browser tells of requests that carry no origin, as those
    for a picture do, where they come from (`Sec-Fetch-Site`).
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
    """Say whether a person opens the address from elsewhere, such as a terminal in a browser.

    Looking changes nothing here, and the page that sent them cannot read what they see.
    """
    asked = [request.headers.get(f"sec-fetch-{name}") for name in ("mode", "dest")]
    return request.scope["method"] == "GET" and asked == ["navigate", "document"]
