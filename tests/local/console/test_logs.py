"""What functions write, whatever that is."""

from pathlib import Path

import pytest

from local.console.logs import Line, LogReader, parse
from local.console.responses import to_json


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        "",
        "[1, 2]",
        '"text"',
        "{",
        '{"no": "event"}',
        '{"event": 3}',
        '{"event": "x", "n": NaN}',
        '{"event": "x", "n": -Infinity}',
        '{"event": "x", "n": 1e999}',
        '{"event": "x", "n": ' + "[" * 6000 + "]" * 6000 + "}",
    ],
)
def test_a_line_that_is_no_event_is_told_as_text(line: str) -> None:
    assert {"event": line, "level": "info"} == parse(line)


def test_a_line_of_any_length_is_cut_off() -> None:
    assert 16 * 1024 == len(parse('{"event": "' + "x" * 100_000 + '"}')["event"])


def test_half_a_character_does_not_break_the_stream() -> None:
    line = parse('{"event": "\\ud83d", "键": "猫\u2028"}')

    assert '{"level":"info","event":"\\ud83d","\\u952e":"\\u732b\\u2028"}' == to_json(line)


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def events(lines: list[Line]) -> list[str]:
    return [line["event"] for line in lines]


def test_lines_are_read_once_whole_and_in_the_order_of_their_times(tmp_path: Path) -> None:
    lines = LogReader(tmp_path)
    append(tmp_path / "a.log", b'{"event": "second", "timestamp": "2026-01-02"}\n')
    append(tmp_path / "b.log", b'{"event": "first", "timestamp": "2026-01-01"}\n{"event": "ha')

    assert ["first", "second"] == events(lines.read())
    append(tmp_path / "b.log", b'lf"}\n')
    assert ["half"] == events(lines.read())
    assert [] == lines.read()
    append(tmp_path / "a.log", "one line\u2028to JSON\n".encode())
    assert ["one line\u2028to JSON"] == events(lines.read())


def test_of_a_long_log_the_end_is_read_and_no_part_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    append(path, b'{"event": "old", "text": "' + b"x" * (2 * 1024 * 1024) + b'"}\nnew\n')

    lines = LogReader(tmp_path)
    assert ["new"] == events(lines.read())
    append(path, b"y" * (3 * 1024 * 1024) + b"\nnewer\n")
    assert ["newer"] == events(lines.read())
    path.write_bytes(b"")
    assert [] == lines.read()
    append(path, b"fresh\n")
    assert ["fresh"] == events(lines.read())
