"""Check the URL of a caller's picture and make it canonical, before veImageX fetches it.

It is parsed as browsers do (WHATWG; the `url` crate behind pydantic), and its canonical form is
checked *and sent*: of that form there is one reading only. Nothing is fetched or resolved here,
so a public name that resolves to a private address passes: `allowed_hosts` closes that as well.
"""

import ipaddress
import re
from urllib.parse import unquote

from pydantic_core import Url, ValidationError

MAX_URL_CHARACTERS = 2048
MAX_STORE_NAME_BYTES = 1024
_MAX_HOST_CHARACTERS = 253

# Parsers make a host of what follows other numbers of slashes as well: that is a mistake here.
_START = re.compile(r"https?://[^/\\]", re.ASCII | re.IGNORECASE)
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+")
_INTERNAL = re.compile(
    r"metadata\..+|(.+\.)?("
    r"localhost|localdomain|local|internal|intranet|private|corp|home|lan|svc|consul|test|arpa"
    r"|ivolces\.com)"
)

# What `ipaddress` does not take for global in every patch release of Python 3.11 to 3.13, and
# Azure's metadata address, which is a public one.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
# Outside of it lie all addresses that carry an IPv4 address, except Teredo's and 6to4's.
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")


def image_url(url: str, *, allow_http: bool = False, allowed_hosts: tuple[str, ...] = ()) -> str:
    """Return the canonical form of a picture's URL.

    `allowed_hosts` are host names and addresses; one that begins with a dot, as `.example.com`,
    stands for every subdomain. If there are none, every public host is allowed. Raises ValueError
    with a sentence, which repeats neither path nor query: they may have a signature.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise ValueError(
            f"The image URL has {len(url)} characters; at most {MAX_URL_CHARACTERS} are allowed."
        )
    if _has_invisible(url):
        raise ValueError("The image URL has a space, a control or an invisible character.")
    if not _START.match(url):
        raise ValueError("The image URL does not begin with 'https://' and a host.")
    try:
        parsed = Url(url)
    except ValidationError as error:
        reason = error.errors()[0]["ctx"]["error"]
        raise ValueError(f"The image URL cannot be parsed: {reason}.") from None
    if parsed.scheme == "http" and not allow_http:
        raise ValueError("The image URL begins with 'http://'; only 'https://' is allowed.")
    if parsed.username or parsed.password:
        raise ValueError("The image URL has a user or a password, which is not allowed.")
    if parsed.fragment is not None:
        raise ValueError("The image URL has a fragment ('#…'), which has no meaning here.")
    if parsed.port == 0:
        raise ValueError("The image URL has the port 0.")
    host = (parsed.host or "").removesuffix(".")
    _check_host(host)
    if allowed_hosts and not any(_covers(allowed, host) for allowed in allowed_hosts):
        raise ValueError("The image URL's host is not among the allowed ones.")
    return str(parsed)


def store_uri(uri: str, service_id: str) -> str:
    """Return a StoreUri of the service as it is.

    The rules of `imagex_model.output_name_problem` with more bytes, and no way upwards. Raises
    ValueError with a sentence.
    """
    prefix = f"tos-cn-i-{service_id}/"
    if not service_id or not uri.startswith(prefix):
        raise ValueError(
            "The StoreUri is not one of the configured service, which is written "
            f"'tos-cn-i-{service_id}/<name>'."
        )
    name = uri.removeprefix(prefix)
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name:
        raise ValueError("The StoreUri's name is empty.")
    if size > MAX_STORE_NAME_BYTES:
        raise ValueError(
            f"The StoreUri's name has {size} bytes of UTF-8; at most {MAX_STORE_NAME_BYTES} are "
            "allowed."
        )
    if _has_invisible(name):
        raise ValueError("The StoreUri's name has a space or a control character.")
    if name.startswith("/") or name.endswith("/") or "//" in name:
        raise ValueError("The StoreUri's name begins or ends with '/', or has it doubled.")
    plain = _unescape(name)
    if "~" in plain:
        raise ValueError("The StoreUri's name has '~', which separates a URL from its template.")
    if not {".", ".."}.isdisjoint(re.split(r"[/\\]", plain)):
        raise ValueError("The StoreUri's name has '.' or '..' between slashes.")
    return uri


def _check_host(host: str) -> None:
    """Raise ValueError unless a host, in canonical form without its last dot, is a public one."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        if _INTERNAL.fullmatch(host):
            raise ValueError("The image URL's host is in an internal network.") from None
        if len(host) > _MAX_HOST_CHARACTERS or not _NAME.fullmatch(host):
            raise ValueError("The image URL's host is not a full public name.") from None
    else:
        if not _is_public(address):
            raise ValueError(f"The image URL's host is {address}, which is no public address.")


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and (address.version == 4 or address in _GLOBAL_IPV6)
        and not any(address in network for network in _NOT_PUBLIC)
    )


def _covers(allowed: str, host: str) -> bool:
    name = allowed.removeprefix(".")
    if name.count(":") > 1:
        name = f"[{name.strip('[]')}]"
    try:
        canonical = (Url(f"https://{name}/").host or "").removesuffix(".")
    except ValidationError:
        return False
    return host.endswith(f".{canonical}") if allowed.startswith(".") else host == canonical


def _has_invisible(text: str) -> bool:
    return any(character.isspace() or not character.isprintable() for character in text)


def _unescape(text: str) -> str:
    """Undo percent-escapes, however often they were applied."""
    while (plain := unquote(text)) != text:
        text = plain
    return text
