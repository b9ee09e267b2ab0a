"""Signatures, dates, and the actions that exist."""

from typing import Any

import pytest

from shared.signing import Credentials
from tests.local.imagex.client import (
    World,
)


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"changed": {"Authorization": None}}, 401, "MissingAuthenticationToken"),
        ({"changed": {"Authorization": "HMAC-SHA256 Credential=a"}}, 401, "MissingSignature"),
        ({"changed": {"Authorization": "Basic Signature=1"}}, 401, "InvalidAuthorization"),
        ({"changed": {"X-Date": None}}, 400, "MissingRequestInfo"),
        ({"changed": {"X-Date": "yesterday"}}, 400, "InvalidTimestamp"),
        ({"skew": 15 * 60 + 1}, 400, "InvalidTimestamp"),
        ({"skew": -15 * 60 - 1}, 400, "InvalidTimestamp"),
        ({"region": "ap-southeast-1"}, 401, "InvalidCredential"),
        ({"credentials": Credentials("AKLTNOBODY", "x")}, 401, "InvalidAccessKey"),
        ({"secret_key": "another"}, 401, "SignatureDoesNotMatch"),
        ({"session_token": "another"}, 401, "InvalidSecretToken"),
        ({"changed": {"X-Security-Token": "extra"}}, 401, "InvalidSecretToken"),
        ({"changed": {"Content-Type": "text/plain"}}, 401, "SignatureDoesNotMatch"),
        ({"changed": {"X-Content-Sha256": "0" * 64}}, 401, "SignatureDoesNotMatch"),
        ({"changed": {"X-Content-Sha256": None}}, 401, "SignatureDoesNotMatch"),
    ],
)
def test_invalid_signature(imagex: World, options: dict[str, Any], status: int, code: str) -> None:
    """A request without a valid signature is refused, and not charged."""
    ours = imagex.credentials
    if "secret_key" in options:
        wrong = Credentials(ours.access_key, options.pop("secret_key"))
        options = {**options, "credentials": wrong}
    elif "session_token" in options:
        wrong = Credentials(ours.access_key, ours.secret_key, options["session_token"])
        options = {"credentials": wrong}
    answer = imagex.generate(**options)

    assert (status, code) == (answer.status, answer.error["Code"])
    assert [code] == imagex.outcomes()
    assert [] == imagex.billing.charges()


def test_temporary_key(imagex: World) -> None:
    """A temporary key is valid with its session token."""
    assert 200 == imagex.generate(credentials=imagex.keys.issue(temporary=True)).status


def test_revoked_key(imagex: World) -> None:
    """A revoked key is invalid."""
    imagex.keys.revoke(imagex.credentials.access_key)

    assert "InvalidAccessKey" == imagex.paint().error["Code"]


def test_date(imagex: World) -> None:
    """Every response has one Date, from the application's clock."""
    for answer in (imagex.paint(), imagex.get(imagex.server.address)):
        assert "Sun, 15 Jun 2025 15:06:40 GMT" == answer.headers["date"]


@pytest.mark.parametrize(
    ("method", "action", "version", "code"),
    [
        ("GET", "GetCVImageGenerateResult", "2023-05-01", "MethodNotAllowed"),
        ("POST", "GetImageStorageFiles", "2018-08-01", "MethodNotAllowed"),
        ("POST", "GetCVImageGenerateResult", "2018-08-01", "InvalidActionOrVersion"),
        ("GET", "GetWeather", "2018-08-01", "InvalidActionOrVersion"),
        ("GET", "", "", "InvalidActionOrVersion"),
    ],
)
def test_unknown_action(imagex: World, method: str, action: str, version: str, code: str) -> None:
    """An action with another method or version is refused."""
    answer = imagex.send(method, {"Action": action, "Version": version})

    assert code == answer.error["Code"]
