"""Nothing secret gets through, and nothing else gets lost."""

from typing import Any
from urllib.parse import quote

import pytest

from shared.redaction import hide_query, redact, redact_text, shape_of
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
        r"https://b/k?a=1\u0026X-Tos-Security-Token=hush\u0026b=2".replace("\\\\", "\\"),
        "https%3A%2F%2Fb%2Fk%3Fa%3D1%26X-Tos-Signature%3Dhush%26b",
        "https%253A%252F%252Fb%252Fk%253Fa%253D1%2526X-Tos-Signature%253Dhush",
        'x {"session_token": "hush"}',
        "session_token=hush",
        "AccessKeySecret=hush",
        "Authorization: Basic hush",
    ],
)
def test_secret_in_text(text: str) -> None:
    """A secret in a text is hidden."""
    assert "hush" in text
    assert "hush" not in redact_text(text)


def test_query_values() -> None:
    """The values of a URL's query are hidden in any text."""
    token = "a+b/c==" * 4
    address = f"https://b/k?x=1&t={quote(token, safe='')}"

    assert hide_query(f"1 ({token}) {quote(token, safe='')}", address) == "1 (•••) •••"


def test_lone_surrogate() -> None:
    """A lone surrogate is escaped."""
    lines = Lines()
    lines.log.info("x", key="\ud83d", **{"\ud83d": 1})

    assert "\\ud83d" in lines.text


def test_no_secret() -> None:
    """A text without a secret stays as it is."""
    text = "http://img.example.com/tos-cn-i-s/repaint/a-1~tplv.image?x=1 and 漫画 100%"

    assert text == redact_text(text)


@pytest.mark.parametrize(
    "name", ["secret_key", "session_token", "Authorization", "password", "access_key", "Signature"]
)
def test_secret_field(name: str) -> None:
    """A field with a secret's name is hidden at any depth."""
    assert {"a": [{name: "•••"}]} == redact({"a": [{name: "hush"}]})


def test_log_line() -> None:
    """A log line has no secret, and Chinese stays readable."""
    lines = Lines()
    lines.log.info("x", prompt="漫画", token="hush", url="http://a/?X-Tos-Signature=hush")

    assert "hush" not in lines.text
    assert "漫画" in lines.text


def test_traceback() -> None:
    """An exception's traceback has no secret."""
    lines = Lines()
    try:
        int("https://b/k?X-Tos-Signature=hush")
    except ValueError:
        lines.log.exception("failed")

    assert "hush" not in lines.text
    assert "ValueError" in lines.text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": 1, "b": [True, 2], "c": None}, {"a": "int", "b": ["bool"], "c": "NoneType"}),
        ('{"code": 10000}', {"JSON text": {"code": "int"}}),
        (b'{"a": "x"}', {"JSON text": {"a": "str"}}),
        ("[1]", "str"),
        ([], []),
        (1.5, "float"),
    ],
)
def test_shape(value: Any, expected: Any) -> None:
    """A shape has the names of fields and the types of values."""
    assert expected == shape_of(value)


def test_shape_of_deep_value() -> None:
    """A value that is nested too deeply is cut off, so that no event can exhaust the stack."""
    value: Any = "hush"
    for _ in range(100_000):
        value = [value]

    shown = str(shape_of(value))

    assert "…" in shown
    assert "hush" not in shown
