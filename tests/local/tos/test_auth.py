"""Signatures in headers and in presigned URLs."""

import time

import pytest

from shared.signing import Credentials
from tests.local.tos.storage import Storage


def test_anonymous_request(storage: Storage) -> None:
    """A request without a signature is refused."""
    refused = storage.send("GET", "/cat.png", {"Host": storage.host})

    assert (refused.status, refused.json()["Code"]) == (403, "AccessDenied")


@pytest.mark.parametrize(
    ("credentials", "code"),
    [
        (Credentials("AKLTNOBODY", "secret"), "InvalidAccessKeyId"),
        (Credentials("AKLTKNOWN", "wrong"), "SignatureDoesNotMatch"),
        (Credentials("AKLTKNOWN", "secret", "a token"), "InvalidSecurityToken"),
        (Credentials("AKTPKNOWN", "secret"), "InvalidSecurityToken"),
        (Credentials("AKTPKNOWN", "secret", "wrong"), "InvalidSecurityToken"),
    ],
)
def test_wrong_credentials(storage: Storage, credentials: Credentials, code: str) -> None:
    """An unknown key, a wrong secret and a wrong token are refused."""
    storage.keys.add(Credentials("AKLTKNOWN", "secret"))
    storage.keys.add(Credentials("AKTPKNOWN", "secret", "the token"))
    refused = storage.request("GET", "cat.png", credentials=credentials)

    assert (403, code) == (refused.status, refused.json()["Code"])


def test_temporary_key(storage: Storage) -> None:
    """A temporary key with its token is accepted."""
    temporary = storage.keys.issue(temporary=True)

    assert storage.request("PUT", "k", b"x", credentials=temporary).status == 200


@pytest.mark.parametrize("seconds", [-901, 901])
def test_clock_skew(storage: Storage, seconds: int) -> None:
    """A request signed over 15 minutes from now is refused."""
    refused = storage.request("GET", "cat.png", now=time.time() + seconds)

    assert (refused.status, refused.json()["Code"]) == (403, "RequestTimeTooSkewed")


def test_other_region(storage: Storage) -> None:
    """A signature for another region is refused."""
    assert storage.request("GET", "cat.png", region="cn-shanghai").status == 403


def test_unsigned_header(storage: Storage) -> None:
    """A header of the service that is not signed is refused."""
    headers = storage.headers("PUT", "k") | {"x-tos-meta-prompt": "slipped in"}
    refused = storage.send("PUT", "/k", headers, b"x")

    assert (refused.status, refused.json()["Code"]) == (403, "SignatureDoesNotMatch")
    assert "x-tos-meta-prompt" in refused.json()["Message"]


@pytest.mark.parametrize(
    ("part", "replacement"),
    [
        ("/cat.png", "/dog.png"),
        ("X-Tos-Expires=60", "X-Tos-Expires=600"),
        ("Signature=", "Signature=0"),
    ],
)
def test_changed_url(storage: Storage, part: str, replacement: str) -> None:
    """A presigned URL that was changed is refused."""
    target = storage.presigned().replace(part, replacement)
    refused = storage.send("GET", target, {"Host": storage.host})

    assert (refused.status, refused.json()["Code"]) == (403, "SignatureDoesNotMatch")


def test_url_scope(storage: Storage) -> None:
    """A presigned URL is valid for one method, one host and a limited time."""
    storage.request("PUT", "cat.png", b"cat")
    target = storage.presigned(expires=60)
    assert storage.send("GET", target, {"Host": storage.host}).data == b"cat"
    assert storage.send("DELETE", target, {"Host": storage.host}).status == 403
    assert storage.send("GET", target, {"Host": f"other.localhost:{storage.port}"}).status == 403

    storage.clock.ahead = 62
    refused = storage.send("GET", target, {"Host": storage.host})

    assert (refused.status, refused.json()["Code"]) == (403, "AccessDenied")
    assert "expired" in refused.json()["Message"]


def test_url_without_copy(storage: Storage) -> None:
    """A presigned URL for a put does not allow a copy."""
    storage.request("PUT", "secret", b"x")
    target = storage.presigned("PUT", "mine")
    headers = {"Host": storage.host, "x-tos-copy-source": "photos/secret"}

    assert storage.send("PUT", target, headers).status == 403
    assert storage.send("PUT", target, {"Host": storage.host}, b"mine").status == 200


def test_url_with_token(storage: Storage) -> None:
    """A URL presigned with a temporary key contains its token."""
    storage.request("PUT", "cat.png", b"cat")
    storage.credentials = storage.keys.issue(temporary=True)

    assert storage.send("GET", storage.presigned(), {"Host": storage.host}).data == b"cat"
