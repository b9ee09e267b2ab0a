"""No spelling of an inner address gets through to the service that fetches it."""

import ipaddress
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.clients.imagex_model import output_name_problem
from shared.uploads.image_url import image_url_problem, store_uri_problem

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


def write_number(draw: st.DrawFn, value: int) -> str:
    """Write a part of an IPv4 address as C's inet_aton reads it."""
    zeros = "0" * draw(st.integers(0, 3))
    forms = [f"{value}", f"{zeros}{value}", f"0{zeros}{value:o}", f"0x{zeros}{value:x}"]
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
def test_a_forbidden_ipv4_address_is_refused_in_whatever_spelling(host: str, port: str) -> None:
    url = f"https://{host}{port}/a.png"

    assert image_url_problem(url) is not None
    assert image_url_problem(url, allow_http=True, allowed_hosts=(host,)) is not None


@given(address=global_ipv4)
def test_a_global_ipv4_address_in_plain_form_is_accepted(address: object) -> None:
    url = f"https://{address}/a.png"

    assert None is image_url_problem(url)
    assert None is image_url_problem(url, allowed_hosts=(str(address),))


@given(address=st.ip_addresses(v=6))
@example(address=ipaddress.IPv6Address("fd00:ec2::254"))
def test_an_ipv6_address_that_is_not_global_is_refused(address: ipaddress.IPv6Address) -> None:
    assume(not address.is_global or address.is_multicast or address.is_reserved)

    assert image_url_problem(f"https://[{address}]/") is not None
    assert image_url_problem(f"https://[{address.exploded.upper()}]/") is not None


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
def test_no_text_raises_and_an_accepted_one_is_read_by_others_without_credentials(
    url: str, allow_http: bool, allowed_hosts: tuple[str, ...] | None
) -> None:
    problem = image_url_problem(url, allow_http=allow_http, allowed_hosts=allowed_hosts or ())

    if problem is None:
        parts = urlsplit(url)
        assert parts.scheme in {"https", "http"}
        assert parts.hostname
        assert "@" not in parts.netloc
        assert None is parts.username
        assert None is parts.port or 1 <= parts.port <= 65535
        assert allow_http or parts.scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/a.png",
        "https://example.com",
        "https://example.com/",
        "https://example.com?x=1",
        "HTTPS://EXAMPLE.COM/A.PNG",
        "https://example.com./a.png",
        "https://example.com:1/a.png",
        "https://example.com:65535/a.png",
        "https://b.tos-cn-beijing.volces.com/k%20%40.png?X-Tos-Signature=1%2B&a=b@c",
        "https://example.com/user@host/漫画.png?q=漫",
        "https://漫画.com/a.png",
        "https://bücher.example/a.png",
        "https://xn--bcher-kva.example/a.png",
        "https://xn--strae-oqa.de/a.png",
        "https://my_bucket.example.com/",
        "https://0x7f.example.com/",
        "https://127.0.0.1.example.com/",
        "https://localhost.example.com/",
        "https://local.com/",
        "https://1.1.1.1/a.png",
        "https://8.8.8.8:8443/a.png",
        "https://100.63.255.255/",
        "https://100.128.0.0/",
        "https://172.32.0.1/",
        "https://[2606:4700:4700::1111]/a.png",
        "https://[2606:4700:4700:0:0:0:0:1111]:443/a.png",
        f"https://example.com/{'a' * (2048 - 20)}",
    ],
)
def test_a_public_address_is_accepted(url: str) -> None:
    assert None is image_url_problem(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "absolute"),
        ("/a.png", "absolute"),
        ("//example.com/a.png", "absolute"),
        ("example.com/a.png", "absolute"),
        ("https:/example.com/", "absolute"),
        ("https:example.com/", "absolute"),
        ("ftp://example.com/", "absolute"),
        ("file:///etc/passwd", "absolute"),
        ("javascript:alert(1)", "absolute"),
        ("data:image/png;base64,AA==", "absolute"),
        ("httpſ://example.com/", "absolute"),
        ("http://example.com/", "only 'https://'"),
        ("https://", "no host"),
        ("https:///a.png", "no host"),
        ("https://:443/a.png", "no host"),
        ("https://?x", "no host"),
        (f"https://example.com/{'a' * (2049 - 20)}", "2049 characters"),
        (" https://example.com/", "space"),
        ("https://example.com/a b", "space"),
        ("https://example.com/\u3000", "space"),
        ("https://exam\tple.com/", "control"),
        ("https://example.com/\r\nHost: x", "control"),
        ("https://example.com/\x00", "control"),
        ("https://example.com/\x7f", "control"),
        ("https://exam\u00adple.com/", "invisible"),
        ("https://example.com/\u202e", "invisible"),
        ("https://example.com/\ud83d", "invisible"),
        ("https://example.com\\@127.0.0.1/", "backslash"),
        ("https:\\\\example.com/", "backslash"),
        ("https://example.com/#", "fragment"),
        ("https://example.com#@127.0.0.1/", "fragment"),
        ("https://user:hush@example.com/", "credentials"),
        ("https://user@example.com/", "credentials"),
        ("https://@example.com/", "credentials"),
        ("https://:@example.com/", "credentials"),
        ("https://a@b@example.com/", "credentials"),
        ("https://example.com＠127.0.0.1/", "credentials"),
        ("https://example.com?@127.0.0.1/", "credentials"),
        ("https://example.com%40127.0.0.1/", "'%'"),
        ("https://example.com%2540127.0.0.1/", "'%'"),
        ("https://%31%32%37.0.0.1/", "'%'"),
        ("https://%6c%6fcalhost/", "'%'"),
        ("https://example％2ecom/", "'%'"),
        ("https://[fe80::1%25eth0]/", "'%'"),
        ("https://[2606:4700::1%eth0]/", "'%'"),
        ("https://example.com:/", "port"),
        ("https://example.com:0/", "port"),
        ("https://example.com:65536/", "port"),
        ("https://example.com:-1/", "port"),
        ("https://example.com:80:80/", "port"),
        ("https://example.com:８０/", "port"),
        (f"https://example.com:{'9' * 2000}/", "port"),
        ("https://fe80::1/", "port"),
        ("https://[::1/", "brackets"),
        ("https://[]/", "brackets"),
        ("https://[127.0.0.1]/", "brackets"),
        ("https://[::ffff:127.1]/", "brackets"),
        ("https://[v1.x]/", "brackets"),
        ("https://[::1]example.com/", "brackets"),
        ("https://exam[ple.com/", "brackets"),
        ("https://example..com/", "no valid name"),
        ("https://.example.com/", "no valid name"),
        ("https://./", "no valid name"),
        ("https://localhost../", "no valid name"),
        ("https://-a.example.com/", "no valid name"),
        ("https://a!b.example.com/", "no valid name"),
        (f"https://{'a' * 64}.com/", "no valid name"),
        (f"https://{'a.' * 127}com/", "no valid name"),
        (f"https://{'漫' * 60}.com/", "no valid name"),
        ("https://example.com：443/", "no valid name"),
        ("https://example.com／.evil.com/", "no valid name"),
        ("https://exampl℀.com/", "no valid name"),
        ("https://faß.de/", "read in two ways"),
        ("https://FAẞ.de/", "read in two ways"),
        ("https://βόλος.com/", "read in two ways"),
        ("https://local\ufe0fhost/", "read in two ways"),
        ("https://1\ufe0f27.0.0.1/", "read in two ways"),
        ("https://xn--/", "read in two ways"),
        ("https://xn--a.com/", "read in two ways"),
        ("https://xn--example.com/", "read in two ways"),
        (f"https://xn--{'１'.encode('punycode').decode()}.com/", "read in two ways"),
        (f"https://xn--{'a。漫'.encode('punycode').decode()}.com/", "read in two ways"),
        ("https://localhost/", "internal network"),
        ("https://LOCALHOST./", "internal network"),
        ("https://ⓛocalhost/", "internal network"),
        ("https://a.localhost:443/", "internal network"),
        ("https://printer.local/", "internal network"),
        ("https://metadata.google.internal/", "internal network"),
        ("https://Metadata。Google。Internal。/", "internal network"),
        ("https://router.home.arpa/", "internal network"),
        ("https://metadata/", "without a dot"),
        ("https://com./", "without a dot"),
        ("https://漫画/", "without a dot"),
        ("https://127.0.0.1/", "loopback"),
        ("https://127.0.0.1./", "loopback"),
        ("https://１２７.０.０.１/", "loopback"),
        ("https://①②⑦。⓪。⓪。①/", "loopback"),
        ("https://127。0．0｡1/", "loopback"),
        ("https://🄀0.0.0/", "unspecified"),
        ("https://0.0.0.0/", "unspecified"),
        ("https://0.1.2.3/", "reserved"),
        ("https://10.1.2.3/", "private"),
        ("https://172.31.255.255/", "private"),
        ("https://192.168.0.1/", "private"),
        ("https://100.64.0.1/", "shared"),
        ("https://100.96.0.96/", "cloud metadata"),
        ("https://169.254.169.254/latest/meta-data/", "cloud metadata"),
        ("https://169.254.0.1/", "link-local"),
        ("https://224.0.0.1/", "multicast"),
        ("https://255.255.255.255/", "reserved"),
        ("https://2130706433/", "looks like an IPv4"),
        ("https://0x7f000001/", "looks like an IPv4"),
        ("https://0X7F.0.0.1/", "looks like an IPv4"),
        ("https://017700000001/", "looks like an IPv4"),
        ("https://0177.0.0.1/", "looks like an IPv4"),
        ("https://127.000.000.001/", "looks like an IPv4"),
        ("https://127.1/", "looks like an IPv4"),
        ("https://127.0.1/", "looks like an IPv4"),
        ("https://0/", "looks like an IPv4"),
        ("https://0x/", "looks like an IPv4"),
        ("https://8.8.8/", "looks like an IPv4"),
        ("https://1.2.3.4.5/", "looks like an IPv4"),
        ("https://256.1.1.1/", "looks like an IPv4"),
        ("https://example.1/", "looks like an IPv4"),
        ("https://example.0x1f/", "looks like an IPv4"),
        ("https://09.0.0.1/", "looks like an IPv4"),
        ("https://[::]/", "unspecified"),
        ("https://[::1]/", "loopback"),
        ("https://[0:0:0:0:0:0:0:1]:443/", "loopback"),
        ("https://[FD00:EC2::254]/", "cloud metadata"),
        ("https://[fd12::1]/", "private"),
        ("https://[fec0::1]/", "private"),
        ("https://[fe80::1]/", "link-local"),
        ("https://[ff02::1]/", "multicast"),
        ("https://[2001:db8::1]/", "reserved"),
        ("https://[4000::1]/", "reserved"),
        ("https://[::ffff:0:127.0.0.1]/", "reserved"),
        ("https://[::ffff:127.0.0.1]/", "inside an IPv6"),
        ("https://[::FFFF:7f00:1]/", "inside an IPv6"),
        ("https://[::127.0.0.1]/", "inside an IPv6"),
        ("https://[64:ff9b::a9fe:a9fe]/", "inside an IPv6"),
        ("https://[2002:7f00:1::]/", "inside an IPv6"),
        ("https://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", "inside an IPv6"),
    ],
)
def test_another_address_is_refused_with_its_reason(url: str, words: str) -> None:
    problem = image_url_problem(url)

    assert problem is not None
    assert words in problem
    assert "hush" not in problem


def test_http_is_accepted_where_it_is_allowed() -> None:
    assert None is image_url_problem("http://example.com/a.png", allow_http=True)
    assert None is image_url_problem("https://example.com/a.png", allow_http=True)
    assert image_url_problem("http://127.0.0.1/a.png", allow_http=True) is not None


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
def test_a_host_among_the_allowed_ones_is_accepted(host: str, allowed: str) -> None:
    assert None is image_url_problem(f"https://{host}/", allowed_hosts=("other.com", allowed))


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
def test_a_host_that_is_not_among_the_allowed_ones_is_refused(host: str, allowed: str) -> None:
    problem = image_url_problem(f"https://{host}/", allowed_hosts=(allowed,))

    assert problem is not None
    assert "not among the allowed" in problem


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "a.internal", "2130706433"])
def test_an_inner_host_is_refused_even_where_it_is_allowed(host: str) -> None:
    assert image_url_problem(f"https://{host}/", allowed_hosts=(host, f".{host}")) is not None


@pytest.mark.parametrize(
    "name",
    ["a", "repaint/53b50fe8-1", "漫画/a.png", "a..b/c...", "..a/b", "100%.png", "a" * 1024],
)
def test_a_store_uri_of_the_service_is_accepted(name: str) -> None:
    assert None is store_uri_problem(f"tos-cn-i-serviceid/{name}", "serviceid")


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
def test_another_store_uri_is_refused_with_its_reason(uri: str, words: str) -> None:
    problem = store_uri_problem(uri, "serviceid")

    assert problem is not None
    assert words in problem


def test_a_service_without_an_id_has_no_store_uri() -> None:
    assert store_uri_problem("tos-cn-i-/a", "") is not None


@given(
    name=st.text(st.sampled_from("ab/~ \n.%漫\u200b\ud83d"), max_size=20)
    | st.text(st.characters(codec=None, exclude_categories=()), max_size=45)
)
def test_a_name_that_no_output_may_have_is_no_store_uris_either(name: str) -> None:
    problem = store_uri_problem(f"tos-cn-i-s/{name}", "s")

    if output_name_problem(name):
        assert problem is not None
    elif not {".", "%"} & set(name):
        assert None is problem


@given(uri=texts, service_id=texts)
def test_no_store_uri_raises(uri: str, service_id: str) -> None:
    for text in (uri, f"tos-cn-i-{service_id}/{uri}"):
        assert isinstance(store_uri_problem(text, service_id), str | None)
