"""The signatures equal the published vectors and those of the official packages."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import tos
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook
from tos.auth import Auth
from tos.http import Request
from volcenginesdkcore.signv4 import SignerV4

from shared import signing
from shared.signing import Credentials

VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "openapi-signatures.json").read_text("utf-8")
)["vectors"]

# What has bitten others: spaces, plus, percent, Chinese, tilde, and what a quote may mishandle.
AWKWARD = st.text(alphabet=" +%~漫画风格é😀abcXYZ019-_.!*'()&=?#:;,@$[]", min_size=1, max_size=30)
KEYS = (
    st.lists(AWKWARD, min_size=1, max_size=4).map("/".join).filter(lambda k: k not in (".", ".."))
)
QUERIES = st.dictionaries(
    st.sampled_from(["versionId", "list-type", "prefix", "x-tos-process", "漫 画", "a+b"]),
    AWKWARD,
    max_size=4,
)
TOKENS = st.none() | st.text(alphabet="ABCabc019+/=-_.", min_size=1, max_size=80)


def epoch(date: str) -> float:
    return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_openapi_vectors(vector: dict[str, Any]) -> None:
    """The OpenAPI signature equals the published vectors."""
    headers = signing.openapi_headers(
        method=vector["method"],
        host=vector["host"],
        path=vector["path"],
        query=vector["query"],
        content_type=vector["headers"]["Content-Type"],
        body=vector["body"].encode(),
        credentials=Credentials(
            vector["access_key"], vector["secret_key"], vector["session_token"]
        ),
        region=vector["region"],
        service=vector["service"],
        now=epoch(vector["x_date"]),
    )

    assert headers["Authorization"].endswith(f"Signature={vector['signature']}")
    assert vector["x_date"] == headers["X-Date"]
    assert vector["session_token"] == headers.get("X-Security-Token")


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@given(
    query=st.dictionaries(st.sampled_from(["Action", "ServiceId", "Prefix", "Marker"]), AWKWARD),
    body=st.text(max_size=50),
    token=TOKENS,
    port=st.sampled_from(["", ":443", ":80", ":8302"]),
)
def test_openapi_sdk(query: dict[str, str], body: str, token: str | None, port: str) -> None:
    """The OpenAPI signature equals that of the official SDK."""
    official = {"Content-Type": "application/json", "Host": f"imagex.volcengineapi.com{port}"}
    SignerV4.sign(
        "/", "POST", official, body, None, query, "AK", "SK", "cn-north-1", "ImageX", token
    )
    ours = signing.openapi_headers(
        method="POST",
        host=f"imagex.volcengineapi.com{port}",
        path="/",
        query=query,
        content_type="application/json",
        body=body.encode(),
        credentials=Credentials("AK", "SK", token),
        region="cn-north-1",
        service="ImageX",
        now=epoch(official["X-Date"]),
    )

    assert official == ours


@settings(max_examples=200)
@given(
    key=KEYS,
    query=QUERIES,
    token=TOKENS,
    content_type=st.none() | st.just("image/png"),
    meta=st.dictionaries(st.sampled_from(["x-tos-meta-prompt", "X-Tos-Forbid-Overwrite"]), AWKWARD),
    now=st.integers(1_600_000_000, 1_999_999_999),
)
def test_tos_signature(
    key: str,
    query: dict[str, str],
    token: str | None,
    content_type: str | None,
    meta: dict[str, str],
    now: int,
) -> None:
    """The TOS signature equals that of the official package."""
    headers = {**meta, **({"Content-Type": content_type} if content_type else {})}
    host = "photos.tos-cn-beijing.volces.com"
    request = Request(
        "PUT",
        f"https://{host}/",
        f"/{key}",
        host,
        params=dict(query),
        headers={**headers, "x-tos-content-sha256": signing.UNSIGNED_PAYLOAD},
        generic_input=SimpleNamespace(
            request_date=datetime.fromtimestamp(now, UTC), request_host=None
        ),
    )
    Auth("AK", "SK", "cn-beijing", token).sign_request(request)

    ours = signing.tos_headers(
        method="PUT",
        host=host,
        key=key,
        query=query,
        headers=headers,
        credentials=Credentials("AK", "SK", token),
        region="cn-beijing",
        now=now,
    )

    assert request.headers["Authorization"] == ours["Authorization"]


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
@settings(max_examples=200)
@given(
    key=KEYS,
    query=QUERIES,
    token=TOKENS,
    expires=st.integers(1, 604800),
    endpoint=st.sampled_from(["https://tos-cn-beijing.volces.com", "http://localhost:8301"]),
)
def test_presigned_url(
    key: str, query: dict[str, str], token: str | None, expires: int, endpoint: str
) -> None:
    """The presigned URL equals that of the official package."""
    client = tos.TosClientV2(
        "AK", "SK", endpoint, "cn-beijing", security_token=token, dns_cache_time=0
    )
    official = client.pre_signed_url(
        tos.HttpMethodType.Http_Method_Get, "photos", key, expires, query=dict(query)
    ).signed_url
    date = dict(parse_qsl(urlsplit(official).query))["X-Tos-Date"]

    ours = signing.tos_presigned_url(
        method="GET",
        scheme=urlsplit(endpoint).scheme,
        host=f"photos.{urlsplit(endpoint).netloc}",
        key=key,
        query=query,
        credentials=Credentials("AK", "SK", token),
        region="cn-beijing",
        now=epoch(date),
        expires_seconds=expires,
    )

    assert official == ours


def test_printed_credentials() -> None:
    """Printed credentials show no secret."""
    shown = repr(Credentials("AKLT1", "the-secret", "the-token"))

    assert "AKLT1" in shown
    assert "the-secret" not in shown
    assert "the-token" not in shown


@given(
    key=st.binary(min_size=24, max_size=64),
    body=st.text(),
    message_id=AWKWARD,
    now=st.floats(0, 4e9),
    form=st.sampled_from(["whsec_{}", "{}"]),
    padded=st.booleans(),
)
def test_webhook_signature(
    key: bytes, body: str, message_id: str, now: float, form: str, *, padded: bool
) -> None:
    """A webhook's signature equals that of the published package."""
    encoded = base64.b64encode(key).decode()
    secret = form.format(encoded if padded else encoded.rstrip("="))
    headers = signing.webhook_headers(
        message_id=message_id,
        body=body.encode(),
        key=signing.webhook_key(secret),
        now=now,
    )

    moment = datetime.fromtimestamp(int(now), UTC)
    assert {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": Webhook(secret).sign(message_id, moment, body),
    } == headers


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("", "0 bytes"),
        ("whsec_", "0 bytes"),
        ("whsec_" + "A" * 31, "23 bytes"),
        ("A" * 88, "66 bytes"),
        ("whsec_" + "A" * 33, "not base64"),
        ("-" * 32, "not base64"),
        ("密" * 32, "not base64"),
    ],
)
def test_invalid_webhook_secret(secret: str, reason: str) -> None:
    """An invalid webhook secret is refused and not repeated."""
    with pytest.raises(ValueError, match=reason) as caught:
        signing.webhook_key(secret)

    assert not secret or secret not in str(caught.value)
