"""No spelling of an internal address gets through to the service that fetches it."""

import ipaddress
import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.clients.imagex_model import output_name_problem
from shared.uploads.image_url import image_url, store_uri

FORBIDDEN_NETWORKS = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "100.96.0.96/32", "127.0.0.0/8", "169.254.0.0/16",
    "169.254.169.254/32", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
    "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4",
)  # fmt: skip
FULL_WIDTH_DIGITS = "０１２３４５６７８９"
CIRCLED_DIGITS = "⓪①②③④⑤⑥⑦⑧⑨"
DIGITS = (FULL_WIDTH_DIGITS, CIRCLED_DIGITS, "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "⁰¹²³⁴⁵⁶⁷⁸⁹")
DOTS = ".。．｡․"

forbidden_ipv4 = st.sampled_from(FORBIDDEN_NETWORKS).flatmap(
    lambda network: st.ip_addresses(v=4, network=network).map(int).map(ipaddress.IPv4Address)
)
global_ipv4 = (
    st.ip_addresses(v=4)
    .filter(lambda address: address.is_global)
    .filter(lambda address: not any(address in ipaddress.ip_network(n) for n in FORBIDDEN_NETWORKS))
)


def refusal(url: str, **options: Any) -> str:
    with pytest.raises(ValueError, match=r"^The image URL") as caught:
        image_url(url, **options)
    return str(caught.value)


def is_public(host: str) -> bool:
    """Judge a host by other means than the module does."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        return len(labels) > 1 and all(labels) and labels[-1] not in ("local", "localhost", "arpa")
    forbidden = address.version == 4 and any(
        address in ipaddress.ip_network(network) for network in FORBIDDEN_NETWORKS
    )
    return address.is_global and not forbidden


def write_number(draw: st.DrawFn, value: int) -> str:
    """Write a part of an IPv4 address as C's inet_aton reads it: a zero before it means octal."""
    zeros = "0" * draw(st.integers(0, 3))
    forms = [f"{value}", f"0{zeros}{value:o}", f"0x{zeros}{value:x}"]
    return str(draw(st.sampled_from(forms)))


@st.composite
def ipv4_spellings(draw: st.DrawFn, addresses: st.SearchStrategy[ipaddress.IPv4Address]) -> str:
    """Write an address in one to four numbers, the last of which takes what is left."""
    value = int(draw(addresses))
    bits = 32
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        bits -= 8
        parts.append(write_number(draw, value >> bits))
        value &= (1 << bits) - 1
    return ".".join([*parts, write_number(draw, value)])


@st.composite
def ipv6_spellings(draw: st.DrawFn, addresses: st.SearchStrategy[ipaddress.IPv4Address]) -> str:
    """Write an IPv6 address that stands for an IPv4 one or carries it to a translator."""
    address = draw(addresses)
    value = int(address)
    plain = draw(st.sampled_from([str(address), f"{value >> 16:x}:{value & 0xFFFF:x}"]))
    ipv6 = draw(
        st.sampled_from(
            [
                f"::ffff:{plain}",
                f"::{plain}",
                f"64:ff9b::{plain}",
                f"64:ff9b:1::{plain}",
                f"2002:{value >> 16:x}:{value & 0xFFFF:x}::1",
                str(ipaddress.IPv6Address((0x20010000 << 96) | (value ^ 0xFFFFFFFF))),
            ]
        )
    )
    spelled = ipaddress.IPv6Address(ipv6)
    return f"[{draw(st.sampled_from([ipv6, spelled.compressed, spelled.exploded]))}]"


@st.composite
def disguises(draw: st.DrawFn, hosts: st.SearchStrategy[str]) -> str:
    """Put on what a reader may take off: case, other digits, other dots, escapes, a last dot."""
    host = draw(hosts)
    letters = []
    for letter in host:
        choices = [letter, letter, letter.upper()]
        if letter.isdecimal():
            choices += [digits[int(letter)] for digits in DIGITS]
        if letter == ".":
            choices += DOTS
        choices.append(f"%{ord(letter):02X}")
        letters.append(draw(st.sampled_from(choices if draw(st.booleans()) else choices[:3])))
    return "".join([*letters, draw(st.sampled_from(["", "", *DOTS]))])


spellings = ipv4_spellings(forbidden_ipv4) | ipv6_spellings(forbidden_ipv4)


@given(host=spellings | disguises(spellings), port=st.sampled_from(["", ":443", ":80"]))
@example(host="127.0.0.1", port="")
def test_ipv4_spellings(host: str, port: str) -> None:
    """A forbidden IPv4 address is refused in every spelling, even if it is allowed."""
    assert refusal(f"https://{host}{port}/a.png")
    assert refusal(f"https://{host}{port}/a.png", allow_http=True, allowed_hosts=(host,))


@given(address=global_ipv4)
def test_global_ipv4(address: object) -> None:
    """A global IPv4 address is handed on as it is."""
    url = f"https://{address}/a.png"

    assert url == image_url(url)
    assert url == image_url(url, allowed_hosts=(str(address),))


@given(address=st.ip_addresses(v=6))
@example(address=ipaddress.IPv6Address("fd00:ec2::254"))
def test_ipv6_not_global(address: ipaddress.IPv6Address) -> None:
    """An IPv6 address that is not global is refused."""
    assume(not address.is_global or address.is_multicast or address.is_reserved)

    assert refusal(f"https://[{address}]/")
    assert refusal(f"https://[{address.exploded.upper()}]/")


pieces = st.lists(
    st.sampled_from(
        [
            *"hHsSſ:/?#@%[]\\.。．~-_ \t\n\x00¼℀／＠：ßς\u00ad\u200d\ufe0f\ud83d漫１",
            *("https://", "http://", "xn--", "xn--fa-hia", "0x", "localhost", "example.com", "::1"),
            *("127.0.0.1", "8.8.8.8", ":443", "%40", "%2e", "user:pw@", "/a.png", "?x=1"),
        ]
    )
).map("".join)
texts = (
    st.text(st.characters(codec=None, exclude_categories=()), max_size=80)
    | pieces
    | st.builds("https://{}".format, pieces)
    | st.builds("https://{}/a.png".format, st.text(st.characters(codec=None), max_size=30))
    | st.builds("https://xn--{}.com/".format, st.text("abcz019-", max_size=70))
)


@given(url=texts, allow_http=st.booleans(), allowed_hosts=st.none() | st.tuples(texts))
@example(url="https://" + "a" * 63 + ".com:65535?x", allow_http=False, allowed_hosts=None)
@example(url="https://example.com：443/", allow_http=False, allowed_hosts=None)
@example(url="https://exampl℀.com/", allow_http=False, allowed_hosts=None)
def test_canonical_form(url: str, allow_http: bool, allowed_hosts: tuple[str, ...] | None) -> None:
    """Any text is refused, or becomes a URL that others read alike and that stays as it is."""
    try:
        canonical = image_url(url, allow_http=allow_http, allowed_hosts=allowed_hosts or ())
    except ValueError:
        return

    assert canonical.isascii()
    assert canonical == image_url(canonical, allow_http=allow_http)
    authority, slash, rest = canonical.partition("://")[2].partition("/")
    assert "/" == slash
    assert re.fullmatch(r"[a-z0-9._-]+(:[1-9][0-9]*)?|\[[0-9a-f:]+\](:[1-9][0-9]*)?", authority)
    assert not {"#", " ", "\t", "\r", "\n"} & set(rest)
    parts = urlsplit(canonical)
    assert authority == parts.netloc
    assert parts.scheme == "https" or (allow_http and parts.scheme == "http")
    assert is_public(parts.hostname or "")


PUBLIC = [
    ("https://example.com/a.png", "https://example.com/a.png"),
    ("https://example.com", "https://example.com/"),
    ("https://example.com?x=1", "https://example.com/?x=1"),
    ("HTTPS://EXAMPLE.COM/A.PNG", "https://example.com/A.PNG"),
    ("https://example.com./a.png", "https://example.com./a.png"),
    ("https://example.com:1/a.png", "https://example.com:1/a.png"),
    ("https://example.com:65535/a.png", "https://example.com:65535/a.png"),
    ("https://example.com:443/", "https://example.com/"),
    ("https://example.com:/", "https://example.com/"),
    (
        "https://b.tos-cn-beijing.volces.com/k%20%40.png?X-Tos-Signature=1%2B&a=b@c",
        "https://b.tos-cn-beijing.volces.com/k%20%40.png?X-Tos-Signature=1%2B&a=b@c",
    ),
    (
        "https://example.com/user@host/漫画.png?q=漫",
        "https://example.com/user@host/%E6%BC%AB%E7%94%BB.png?q=%E6%BC%AB",
    ),
    ("https://example.com/a/../b/%2e%2e/c//d", "https://example.com/c//d"),
    ("https://漫画.com/a.png", "https://xn--qex62k.com/a.png"),
    ("https://bücher.example/a.png", "https://xn--bcher-kva.example/a.png"),
    ("https://xn--bcher-kva.example/a.png", "https://xn--bcher-kva.example/a.png"),
    ("https://xn--strae-oqa.de/a.png", "https://xn--strae-oqa.de/a.png"),
    ("https://faß.de/", "https://xn--fa-hia.de/"),
    ("https://FAẞ.de/", "https://xn--fa-hia.de/"),
    ("https://βόλος.com/", "https://xn--nxasmm1c.com/"),
    ("https://ｅxample。com/", "https://example.com/"),
    ("https://my_bucket.example.com/", "https://my_bucket.example.com/"),
    ("https://0x7f.example.com/", "https://0x7f.example.com/"),
    ("https://127.0.0.1.example.com/", "https://127.0.0.1.example.com/"),
    ("https://localhost.example.com/", "https://localhost.example.com/"),
    ("https://local.com/", "https://local.com/"),
    ("https://mymetadata.example.com/", "https://mymetadata.example.com/"),
    ("https://tos-cn-beijing.volces.com/", "https://tos-cn-beijing.volces.com/"),
    ("https://1.1.1.1/a.png", "https://1.1.1.1/a.png"),
    ("https://8.8.8.8:8443/a.png", "https://8.8.8.8:8443/a.png"),
    ("https://0x8.8.010/", "https://8.8.0.8/"),
    ("https://8.8.8/", "https://8.8.0.8/"),
    ("https://100.63.255.255/", "https://100.63.255.255/"),
    ("https://100.128.0.0/", "https://100.128.0.0/"),
    ("https://172.32.0.1/", "https://172.32.0.1/"),
    ("https://[2606:4700:4700::1111]/a.png", "https://[2606:4700:4700::1111]/a.png"),
    ("https://[2606:4700:4700:0:0:0:0:1111]:443/", "https://[2606:4700:4700::1111]/"),
    # What another reader might take for a user, or for the host, stands behind the path's slash.
    ("https://@example.com/", "https://example.com/"),
    ("https://:@example.com/", "https://example.com/"),
    ("https://example.com\\@127.0.0.1/", "https://example.com/@127.0.0.1/"),
    ("https://example.com?@127.0.0.1/", "https://example.com/?@127.0.0.1/"),
    (f"https://example.com/{'a' * (2048 - 20)}", f"https://example.com/{'a' * (2048 - 20)}"),
]


@pytest.mark.parametrize(("url", "canonical"), PUBLIC)
def test_public_url(url: str, canonical: str) -> None:
    """A public URL is handed on in its canonical form."""
    assert canonical == image_url(url)


REFUSED = {
    "does not begin with 'https://' and a host": [
        "", "/a.png", "//example.com/a.png", "example.com/a.png", "https:/example.com/",
        "https:example.com/", "ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)",
        "data:image/png;base64,AA==", "httpſ://example.com/", "https://", "https:///a.png",
        "https:////127.0.0.1/", "https:\\\\example.com/", "https:/\\127.0.0.1/",
    ],
    "only 'https://'": ["http://example.com/"],
    "empty host": ["https://:443/a.png", "https://?x"],
    "2049 characters": [f"https://example.com/{'a' * (2049 - 20)}"],
    "a space, a control or an invisible character": [
        " https://example.com/", "https://example.com/a b", "https://example.com/\u3000",
        "https://exam\tple.com/", "https://example.com/\r\nHost: x", "https://example.com/\x00",
        "https://example.com/\x7f", "https://exam\u00adple.com/", "https://example.com/\u202e",
        "https://example.com/\ud83d", "https://127.0.0\n.1/", "\thttps://127.0.0.1/",
    ],
    "a fragment": ["https://example.com/#", "https://example.com#@127.0.0.1/"],
    "a user or a password": [
        "https://user:hush@example.com/", "https://user@example.com/", "https://:hush@example.com/",
        "https://a@b@example.com/", "https://example.com@8.8.8.8/",
    ],
    "invalid international domain name": [
        "https://example.com＠127.0.0.1/", "https://example.com%40127.0.0.1/",
        "https://example.com%2540127.0.0.1/", "https://example％2ecom/", "https://exam[ple.com/",
        "https://example.com：443/", "https://example.com／.evil.com/", "https://exampl℀.com/",
        "https://xn--/", "https://xn--a.com/", "https://xn--example.com/", "https://🄀0.0.0/",
        f"https://xn--{'１'.encode('punycode').decode()}.com/",
        f"https://xn--{'a。漫'.encode('punycode').decode()}.com/",
    ],
    "invalid port number": [
        "https://example.com:65536/", "https://example.com:-1/", "https://example.com:80:80/",
        "https://example.com:８０/", f"https://example.com:{'9' * 2000}/", "https://fe80::1/",
    ],
    "the port 0": ["https://example.com:0/"],
    "invalid IPv6 address": [
        "https://[::1/", "https://[]/", "https://[127.0.0.1]/", "https://[::ffff:127.1]/",
        "https://[v1.x]/", "https://[::1]example.com/", "https://[fe80::1%25eth0]/",
        "https://[2606:4700::1%eth0]/",
    ],
    "invalid IPv4 address": [
        "https://1.2.3.4.5/", "https://256.1.1.1/", "https://example.1/", "https://example.0x1f/",
        "https://09.0.0.1/",
    ],
    "not a full public name": [
        "https://example..com/", "https://.example.com/", "https://./", "https://localhost../",
        "https://-a.example.com/", "https://a!b.example.com/", f"https://{'a' * 64}.com/",
        f"https://{'a.' * 127}com/", f"https://{'漫' * 60}.com/", "https://metadata/",
        "https://com./", "https://漫画/", "https://kubernetes/",
    ],
    "in an internal network": [
        "https://localhost/", "https://LOCALHOST./", "https://ⓛocalhost/", "https://%6c%6fcalhost/",
        "https://local\ufe0fhost/", "https://a.localhost:443/", "https://printer.local/",
        "https://metadata.google.internal/", "https://Metadata。Google。Internal。/",
        "https://router.home.arpa/", "https://metadata.tencentyun.com/", "https://a.default.svc/",
        "https://a.default.svc.cluster.local/", "https://vault.service.consul/", "https://a.test/",
        "https://1.0.0.127.in-addr.arpa/", "https://tos-cn-beijing.ivolces.com/",
        "https://b.tos-cn-beijing.ivolces.com./", "https://wiki.corp/",
    ],
    "is 127.0.0.1": [
        "https://127.0.0.1/", "https://127.0.0.1./", "https://１２７.０.０.１/", "https://①②⑦。⓪。⓪。①/",
        "https://127。0．0｡1/", "https://1\ufe0f27.0.0.1/", "https://%31%32%37.0.0.1/",
        "https://2130706433/", "https://0x7f000001/", "https://0X7F.0.0.1/",
        "https://017700000001/", "https://0177.0.0.1/", "https://127.000.000.001/",
        "https://127.1/", "https://127.0.1/",
    ],
    "which is no public address": [
        "https://0/", "https://0x/", "https://0.0.0.0/", "https://0.1.2.3/", "https://10.1.2.3/",
        "https://172.31.255.255/", "https://192.168.0.1/", "https://100.64.0.1/",
        "https://100.96.0.96/", "https://169.254.169.254/latest/meta-data/", "https://169.254.0.1/",
        "https://168.63.129.16/", "https://192.0.0.192/", "https://192.88.99.1/",
        "https://224.0.0.1/", "https://255.255.255.255/", "https://[::]/", "https://[::1]/",
        "https://[0:0:0:0:0:0:0:1]:443/", "https://[FD00:EC2::254]/", "https://[fd12::1]/",
        "https://[fec0::1]/", "https://[fe80::1]/", "https://[ff02::1]/", "https://[2001:db8::1]/",
        "https://[4000::1]/", "https://[3fff::1]/", "https://[::ffff:0:127.0.0.1]/",
        "https://[::ffff:127.0.0.1]/", "https://[::FFFF:7f00:1]/", "https://[::ffff:8.8.8.8]/",
        "https://[::127.0.0.1]/", "https://[64:ff9b::a9fe:a9fe]/", "https://[64:ff9b:1::1]/",
        "https://[2002:7f00:1::]/", "https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("url", "words"), [(url, words) for words, urls in REFUSED.items() for url in urls]
)
def test_refused_url(url: str, words: str) -> None:
    """Every other URL is refused with the reason, which repeats no secret."""
    reason = refusal(url)

    assert words in reason
    assert "hush" not in reason


def test_allowed_http() -> None:
    """Plain HTTP passes if it is allowed, and then to public hosts only."""
    assert "http://example.com/a.png" == image_url("http://example.com:80/a.png", allow_http=True)
    assert "https://example.com/" == image_url("https://example.com/", allow_http=True)
    assert refusal("http://127.0.0.1/a.png", allow_http=True)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("example.com:8443", "Example.Com."),
        ("ｅxample。com", "example.com"),
        ("a.example.com", ".example.com"),
        ("a.b.example.com", ".example.com"),
        ("漫画.com", "漫画.com"),
        ("漫画.com", "xn--qex62k.com"),
        ("xn--qex62k.com", "漫画.com"),
        ("8.8.8.8", "8.8.8.8"),
        ("[2606:4700::1111]", "2606:4700:0::1111"),
        ("[2606:4700::1111]", "[2606:4700::1111]"),
    ],
)
def test_allowed_host(host: str, allowed: str) -> None:
    """A host among the allowed ones is accepted, however it and they are written."""
    assert image_url(f"https://{host}/", allowed_hosts=("other.com", allowed))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("example.com", "example.org"),
        ("a.example.com", "example.com"),
        ("example.com", ".example.com"),
        ("badexample.com", "example.com"),
        ("badexample.com", ".example.com"),
        ("example.com.evil.org", ".example.com"),
        ("example.com", ""),
        ("example.com", "."),
        ("example.com", "*"),
        ("xn--fa-hia.de", "fass.de"),
        ("8.8.8.8", "8.8.4.4"),
        ("[2606:4700::1111]", "2606:4700::1112"),
    ],
)
def test_host_not_allowed(host: str, allowed: str) -> None:
    """With allowed hosts, every other one is refused."""
    assert "not among the allowed" in refusal(f"https://{host}/", allowed_hosts=(allowed,))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "a.internal", "2130706433"])
def test_internal_host_allowed(host: str) -> None:
    """An internal host is refused even if it is among the allowed ones."""
    assert refusal(f"https://{host}/", allowed_hosts=(host, f".{host}"))


@pytest.mark.parametrize(
    "name",
    ["a", "repaint/53b50fe8-1", "漫画/a.png", "a..b/c...", "..a/b", "100%.png", "a" * 1024],
)
def test_store_uri(name: str) -> None:
    """A StoreUri of the service is handed on as it is."""
    assert f"tos-cn-i-serviceid/{name}" == store_uri(f"tos-cn-i-serviceid/{name}", "serviceid")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "configured service"),
        ("tos-cn-i-other/a", "configured service"),
        ("tos-cn-i-serviceid2/a", "configured service"),
        ("tos-cn-i-serviceid", "configured service"),
        ("TOS-CN-I-serviceid/a", "configured service"),
        ("/tos-cn-i-serviceid/a", "configured service"),
        ("https://example.com/tos-cn-i-serviceid/a", "configured service"),
        ("tos-cn-i-serviceid/", "empty"),
        (f"tos-cn-i-serviceid/{'a' * 1025}", "1025 bytes"),
        (f"tos-cn-i-serviceid/{'漫' * 342}", "1026 bytes"),
        ("tos-cn-i-serviceid/a b", "space"),
        ("tos-cn-i-serviceid/a\n", "control"),
        ("tos-cn-i-serviceid/\ud83d", "control"),
        ("tos-cn-i-serviceid//a", "doubled"),
        ("tos-cn-i-serviceid/a/", "doubled"),
        ("tos-cn-i-serviceid/a//b", "doubled"),
        ("tos-cn-i-serviceid/a~tplv-x.image", "'~'"),
        ("tos-cn-i-serviceid/a%7etplv-x.image", "'~'"),
        ("tos-cn-i-serviceid/..", "'..'"),
        ("tos-cn-i-serviceid/../tos-cn-i-other/a", "'..'"),
        ("tos-cn-i-serviceid/a/../../b", "'..'"),
        ("tos-cn-i-serviceid/./a", "'..'"),
        ("tos-cn-i-serviceid/a\\..\\b", "'..'"),
        ("tos-cn-i-serviceid/%2e%2E/b", "'..'"),
        ("tos-cn-i-serviceid/a%2f..%2fb", "'..'"),
        ("tos-cn-i-serviceid/%252e./b", "'..'"),
    ],
)
def test_refused_store_uri(uri: str, words: str) -> None:
    """Every other StoreUri is refused with the reason."""
    with pytest.raises(ValueError, match=re.escape(words)):
        store_uri(uri, "serviceid")


def test_service_without_id() -> None:
    """A service without an id has no StoreUri."""
    with pytest.raises(ValueError, match="configured service"):
        store_uri("tos-cn-i-/a", "")


@given(
    name=st.text(st.sampled_from("ab/~ \n.%漫\u200b\ud83d"), max_size=20)
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=45)
)
def test_store_uri_like_output(name: str) -> None:
    """A name that no output may have is no StoreUri's either."""
    try:
        store_uri(f"tos-cn-i-s/{name}", "s")
    except ValueError:
        assert output_name_problem(name) or {".", "%"} & set(name)
    else:
        assert not output_name_problem(name)


@given(uri=texts, service_id=texts)
def test_any_store_uri(uri: str, service_id: str) -> None:
    """Any text is accepted as it is, or refused with a ValueError."""
    for text in (uri, f"tos-cn-i-{service_id}/{uri}"):
        with suppress(ValueError):
            assert text == store_uri(text, service_id)
