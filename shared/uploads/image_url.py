"""Judge the picture's address that an HTTP caller gives, before veImageX fetches it.

Nothing is fetched or resolved here, so a public name that resolves to a private address passes:
where that matters, `allowed_hosts` is the answer. Whoever fetches may read an address otherwise
than Python does; so a host that could be read in two ways is refused, not interpreted.
"""

import ipaddress
import re
import unicodedata
from urllib.parse import unquote

MAX_URL_CHARACTERS = 2048
MAX_STORE_NAME_BYTES = 1024
_MAX_HOST_CHARACTERS = 253

# ASCII, because IGNORECASE alone takes 'ſ' for an 's' and \d any script's digits.
_START = re.compile(r"(https?)://([^/?#]*)", re.ASCII | re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::(.*))?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# WHATWG's "ends in a number": what some reader takes for an IPv4 address.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

_INSIDE_NAMES = (
    "localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home", "lan",
    "home.arpa",
)  # fmt: skip

# The first that holds an address names it. These are IANA's special-purpose registries, spelled
# out: what `ipaddress` calls global changes with Python's patch releases.
_NETWORKS = tuple(
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        ("169.254.169.254/32", "a cloud metadata address"),
        ("100.96.0.96/32", "a cloud metadata address"),
        ("fd00:ec2::254/128", "a cloud metadata address"),
        ("0.0.0.0/32", "the unspecified address"),
        ("0.0.0.0/8", "a reserved address"),
        ("10.0.0.0/8", "a private address"),
        ("100.64.0.0/10", "a shared address"),
        ("127.0.0.0/8", "a loopback address"),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", "a reserved address"),
        ("192.0.2.0/24", "a reserved address"),
        ("192.88.99.0/24", "a reserved address"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "a reserved address"),
        ("198.51.100.0/24", "a reserved address"),
        ("203.0.113.0/24", "a reserved address"),
        ("224.0.0.0/4", "a multicast address"),
        ("240.0.0.0/4", "a reserved address"),
        ("::/128", "the unspecified address"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4 address inside an IPv6 one"),
        ("::ffff:0:0/96", "an IPv4 address inside an IPv6 one"),
        ("64:ff9b::/96", "an IPv4 address inside an IPv6 one"),
        ("64:ff9b:1::/48", "an IPv4 address inside an IPv6 one"),
        ("2001::/32", "an IPv4 address inside an IPv6 one"),
        ("2002::/16", "an IPv4 address inside an IPv6 one"),
        ("2001::/23", "a reserved address"),
        ("2001:db8::/32", "a reserved address"),
        ("3fff::/20", "a reserved address"),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a private address"),
        ("ff00::/8", "a multicast address"),
    )
)
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")


def image_url_problem(
    url: str, *, allow_http: bool = False, allowed_hosts: tuple[str, ...] = ()
) -> str | None:
    """Say in a sentence why `url` may not be handed on as a picture's address, or None if it may.

    `allowed_hosts` are host names and addresses; one that begins with a dot, as `.example.com`,
    stands for every subdomain. None given, every public host is allowed. The sentence repeats
    nothing of the address: its query may be a signature.
    """
    problem = _text_problem(url)
    if problem:
        return problem
    start = _START.match(url)
    if not start:
        return "The picture's address is no absolute one: begin it with 'https://' and a host."
    scheme, authority = start.groups()
    if scheme.lower() == "http" and not allow_http:
        return "The picture's address begins with 'http://': only 'https://' is allowed."
    # A reader that does not end the host at '?' takes the one after the '@': host?@127.0.0.1/.
    if "@" in unicodedata.normalize("NFKC", url[start.start(2) :].partition("/")[0]):
        return "The picture's address holds '@' before its path: credentials are not allowed."
    if "%" in unicodedata.normalize("NFKC", authority):
        return "The picture's address holds '%' in its host: write the host as it is, unescaped."
    parts = _HOST_AND_PORT.fullmatch(authority)
    if not parts:
        return "The picture's address has brackets in its host that enclose no IPv6 address."
    host, port = parts.groups()
    return _port_problem(port) or _host_problem(host, allowed_hosts)


def store_uri_problem(uri: str, service_id: str) -> str | None:
    """Say in a sentence why `uri` is no StoreUri of the service, or return None where it is one.

    The rules of `imagex_model.output_name_problem` with more bytes, and no way upwards.
    """
    prefix = f"tos-cn-i-{service_id}/"
    if not service_id or not uri.startswith(prefix):
        return (
            "The StoreUri is not one of the configured service: it is written "
            f"'tos-cn-i-{service_id}/<name>'."
        )
    name = uri.removeprefix(prefix)
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name:
        return "The StoreUri's name is empty."
    if size > MAX_STORE_NAME_BYTES:
        return (
            f"The StoreUri's name is {size} bytes of UTF-8: at most {MAX_STORE_NAME_BYTES} "
            "are allowed."
        )
    if _holds_invisible(name):
        return "The StoreUri's name holds a space or a control character."
    if name.startswith("/") or name.endswith("/") or "//" in name:
        return "The StoreUri's name begins or ends with '/', or has it doubled."
    plain = _unescape(name)
    if "~" in plain:
        return "The StoreUri's name holds '~', which separates an address from its template."
    if not {".", ".."}.isdisjoint(re.split(r"[/\\]", plain)):
        return "The StoreUri's name holds '.' or '..' between slashes: write the name itself."
    return None


def _text_problem(url: str) -> str | None:
    if len(url) > MAX_URL_CHARACTERS:
        return (
            f"The picture's address is {len(url)} characters long: at most {MAX_URL_CHARACTERS} "
            "are allowed."
        )
    if _holds_invisible(url):
        return "The picture's address holds a space, a control or an invisible character."
    if "\\" in url:
        return "The picture's address holds a backslash: write '/'."
    if "#" in url:
        return "The picture's address holds a fragment ('#…'), which has no meaning here: omit it."
    return None


def _port_problem(port: str | None) -> str | None:
    if port is None or (_PORT.fullmatch(port) and int(port) <= 65535):
        return None
    return "The picture's address has a port that is no number from 1 to 65535."


def _host_problem(host: str, allowed_hosts: tuple[str, ...]) -> str | None:
    if not host:
        return "The picture's address has no host."
    if host.startswith("["):
        try:
            address = ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return "The picture's address has brackets in its host that enclose no IPv6 address."
        return _ip_problem(address) or _allowed_problem(str(address), allowed_hosts)
    name = _plain_name(host)
    if name is None:
        return (
            "The picture's address has a host that is no valid name or can be read in two ways: "
            "write it in letters, digits, '-' and '.' (a Chinese name in Punycode, 'xn--…')."
        )
    return _name_problem(name) or _allowed_problem(name, allowed_hosts)


def _name_problem(name: str) -> str | None:
    labels = name.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        try:
            return _ip_problem(ipaddress.IPv4Address(name))
        except ValueError:
            return (
                "The picture's address has a host that looks like an IPv4 address but is not "
                "written as one: write four decimal numbers without leading zeros."
            )
    if any(name == inside or name.endswith(f".{inside}") for inside in _INSIDE_NAMES):
        return "The picture's address has a host of an internal network: a public one is needed."
    if len(labels) == 1:
        return "The picture's address has a host without a dot: a full public name is needed."
    return None


def _ip_problem(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str | None:
    kind = next((kind for network, kind in _NETWORKS if address in network), None)
    if kind is None and address.version == 6 and address not in _GLOBAL_IPV6:
        kind = "a reserved address"
    return kind and f"The picture's address has {kind} as its host: a public one is needed."


def _allowed_problem(host: str, allowed_hosts: tuple[str, ...]) -> str | None:
    if not allowed_hosts or any(_covers(allowed, host) for allowed in allowed_hosts):
        return None
    return "The picture's address has a host that is not among the allowed ones."


def _covers(allowed: str, host: str) -> bool:
    try:
        return str(ipaddress.ip_address(allowed.strip("[]"))) == host
    except ValueError:
        name = _plain_name(allowed.removeprefix("."))
    if name is None:
        return False
    return host.endswith(f".{name}") if allowed.startswith(".") else host == name


def _plain_name(host: str) -> str | None:
    """Return a host's name in lower-case ASCII without its last dot, or None where it has none."""
    folded = _fold(host).removesuffix(".")
    if len(folded) > _MAX_HOST_CHARACTERS:
        return None
    labels = []
    for label in folded.split("."):
        ascii_label = _ascii_label(label)
        if ascii_label is None or not _LABEL.fullmatch(ascii_label):
            return None
        labels.append(ascii_label)
    name = ".".join(labels)
    return name if len(name) <= _MAX_HOST_CHARACTERS else None


def _ascii_label(label: str) -> str | None:
    """Write a folded label in ASCII, or return None where IDNA's versions differ about it.

    IDNA 2003 makes 'fass' of 'faß', IDNA 2008 does not: judging one, another host would be called.
    Punycode that hides digits, dots or capitals is refused for the same reason.
    """
    try:
        if label.startswith("xn--"):
            decoded = label[4:].encode("ascii").decode("punycode")
            hiding = decoded.isascii() or decoded != _fold(decoded) or _holds_invisible(decoded)
            return None if hiding or _punycode(decoded) != label else label
        if label.isascii():
            return label
        encoded = _punycode(label)
        agreed = label == label.casefold() and encoded == label.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return encoded if agreed else None


def _punycode(label: str) -> str:
    return f"xn--{label.encode('punycode').decode('ascii')}"


def _fold(text: str) -> str:
    """Write compatibility characters and capitals as what they stand for, and every dot as '.'."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    return folded.replace("\N{IDEOGRAPHIC FULL STOP}", ".")


def _holds_invisible(text: str) -> bool:
    return any(character.isspace() or not character.isprintable() for character in text)


def _unescape(text: str) -> str:
    """Undo percent-escapes, however often they were applied."""
    while (plain := unquote(text)) != text:
        text = plain
    return text
