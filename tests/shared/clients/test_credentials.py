"""The access key is found in its order, and never told."""

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


def test_the_roles_file_comes_first_and_is_read_anew_each_time(tmp_path: Path) -> None:
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


def test_a_key_that_the_operator_set_comes_before_a_callers_headers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_key(monkeypatch)
    source = FunctionCredentials(tmp_path / "none")
    with credentials_of_event(HEADERS):
        assert Credentials("AKENV", "env-secret") == source.get()


def test_the_events_headers_come_next_and_only_for_that_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VOLCENGINE_ACCESS_KEY", raising=False)
    source = FunctionCredentials(tmp_path / "none")
    with credentials_of_event(HEADERS):
        assert Credentials("AKHEADER", "header-secret", "header-token") == source.get()
    set_key(monkeypatch)
    with credentials_of_event({"X-Faas-Access-Key-Id": "half"}):
        assert Credentials("AKENV", "env-secret") == source.get()
    with credentials_of_event(None):
        assert source.get().access_key == "AKENV"


def test_where_there_is_no_key_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ACCESS_KEY", "SECRET_KEY", "SESSION_TOKEN"):
        monkeypatch.delenv(f"VOLCENGINE_{name}", raising=False)
    monkeypatch.setenv("VOLCENGINE_ECS_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match="Give the function a role, or set VOLCENGINE_"):
        FunctionCredentials(tmp_path / "none").get()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"access_key_id": "AK"}', '"role-secret"'])
def test_a_damaged_roles_file_is_told_without_its_content(tmp_path: Path, content: str) -> None:
    role = tmp_path / "credential"
    role.write_text(content, "utf-8")
    with pytest.raises(CredentialsError) as caught:
        FunctionCredentials(role).get()

    assert "cannot be read" in str(caught.value)
    assert "role-secret" not in str(caught.value)
