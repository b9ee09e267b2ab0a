"""Nothing secret gets through, and nothing else gets lost."""

import pytest

from shared.redaction import redact, redact_text
from tests.fakes import Lines


@pytest.mark.parametrize(
    "text",
    [
        "GET https://b.tos.com/k?X-Tos-Date=1&X-Tos-Signature=hush failed",
        "https://b.tos.com/k?X-Tos-Security-Token=hush%2B&x=1",
        "https://x.com/?X-Signature=hush",
        "HMAC-SHA256 Credential=hush/2026/request, SignedHeaders=host, Signature=hush",
        "Authorization: Bearer hush",
        "{'X-Security-Token': 'hush'}",
        '{"secret_access_key": "hush"}',
        "https://user:hush@host/path",
    ],
)
def test_a_secret_in_a_text_is_hidden(text: str) -> None:
    assert "hush" in text
    assert "hush" not in redact_text(text)


def test_what_is_no_secret_stays() -> None:
    text = "http://img.example.com/tos-cn-i-s/repaint/a-1~tplv.image?x=1 and 漫画 100%"

    assert text == redact_text(text)


@pytest.mark.parametrize(
    "name", ["secret_key", "session_token", "Authorization", "password", "access_key", "Signature"]
)
def test_a_field_with_a_secrets_name_is_hidden_however_deep(name: str) -> None:
    assert {"a": [{name: "•••"}]} == redact({"a": [{name: "hush"}]})


def test_a_log_line_shows_no_secret_and_keeps_chinese_readable() -> None:
    lines = Lines()
    lines.log.info("x", prompt="漫画", token="hush", url="http://a/?X-Tos-Signature=hush")

    assert "hush" not in lines.text
    assert "漫画" in lines.text


def test_an_exceptions_trace_shows_no_secret() -> None:
    lines = Lines()
    try:
        int("https://b/k?X-Tos-Signature=hush")
    except ValueError:
        lines.log.exception("failed")

    assert "hush" not in lines.text
    assert "ValueError" in lines.text
