"""The access key is found in its order, and never shown."""

import json
from pathlib import Path

import pytest

from shared.clients.credentials import FunctionCredentials, credentials_of_event
from shared.errors import CredentialsError
from shared.signing import Credentials

HEADERS = {
    "X-Faas-Access-Key-Id": "AKHEADER",
    "x-faas-secret-access-key": "header-secret",
    "X-FAAS-SESSION-TOKEN": "header-token",
}


def write_role(path: Path, access_key: str = "AKROLE") -> None:
    document = {
        "access_key_id": access_key,
        "secret_access_key": "role-secret",
        "session_token": "role-token",
    }
    path.write_text(json.dumps(document), "utf-8")


def test_role_file(tmp_path: Path) -> None:
    """The role's file comes first, and is read each time."""
    role = tmp_path / "credential"
    write_role(role)
    source = FunctionCredentials(role)
    with credentials_of_event(HEADERS):
        assert Credentials("AKROLE", "role-secret", "role-token") == source.get()
        write_role(role, "AKREFRESHED")
        assert source.get().access_key == "AKREFRESHED"


def set_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOLCENGINE_ACCESS_KEY", "AKENV")
    monkeypatch.setenv("VOLCENGINE_SECRET_KEY", "env-secret")
    monkeypatch.delenv("VOLCENGINE_SESSION_TOKEN", raising=False)


def test_environment_before_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's key comes before the headers of a caller."""
    set_key(monkeypatch)
    source = FunctionCredentials(tmp_path / "none")
    with credentials_of_event(HEADERS):
        assert Credentials("AKENV", "env-secret") == source.get()


def test_event_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event's headers come next, and for that event only."""
    monkeypatch.delenv("VOLCENGINE_ACCESS_KEY", raising=False)
    source = FunctionCredentials(tmp_path / "none")
    with credentials_of_event(HEADERS):
        assert Credentials("AKHEADER", "header-secret", "header-token") == source.get()
    set_key(monkeypatch)
    with credentials_of_event({"X-Faas-Access-Key-Id": "half"}):
        assert Credentials("AKENV", "env-secret") == source.get()
    with credentials_of_event(None):
        assert source.get().access_key == "AKENV"


def test_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, the error states what to do."""
    for name in ("ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"VOLCENGINE_{name}", raising=False)
    monkeypatch.setenv("VOLCENGINE_ECS_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match="Give the function a role, or set VOLCENGINE_"):
        FunctionCredentials(tmp_path / "none").get()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"access_key_id": "AK"}', '"role-secret"'])
def test_damaged_role_file(tmp_path: Path, content: str) -> None:
    """A damaged role's file is reported without its content."""
    role = tmp_path / "credential"
    role.write_text(content, "utf-8")
    with pytest.raises(CredentialsError) as caught:
        FunctionCredentials(role).get()

    assert "cannot be read" in str(caught.value)
    assert "role-secret" not in str(caught.value)
