"""What commands print: for people with Rich, for programs as JSON; and their exit codes.

The result is on stdout, everything else (progress, questions, refusals) on stderr.
"""

import json
import sys
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, TextIO

import typer
from rich.console import Console
from rich.markup import escape

_JOINERS = "\u200c\u200d"


class Exit(IntEnum):
    """What an exit code means; `repaint --help` says the same."""

    DONE = 0
    NEEDS_YOU = 1
    WRONG = 2
    NOT_CONFIRMED = 3
    INTERRUPTED = 130


class Refused(Exception):
    """A command cannot do what it was asked: a sentence for the user, and the exit code."""

    def __init__(self, sentence: str, code: Exit = Exit.WRONG) -> None:
        super().__init__(sentence)
        self.code = code


def people() -> Console:
    """Return where the result goes when people read it."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def aside() -> Console:
    """Return where progress and questions go."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def printable(text: str) -> str:
    """Return a text that others wrote on one line, what does not print in it spelled out.

    Control characters could drive a terminal, or turn what stands around them; those that join
    an emoji's parts are left.
    """
    return "".join(c if c.isprintable() or c in _JOINERS else _spelled(c) for c in text)


def plain(text: str) -> str:
    """Return a text that others wrote as it may be printed here: not as markup either."""
    return escape(printable(text))


def _spelled(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def print_json(document: Any) -> None:
    """Print one JSON document for programs."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def print_json_line(document: Any) -> None:
    """Print one JSON document on one line, where a command prints many."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


def tell_refused(sentence: str) -> None:
    """Say on stderr why nothing was done."""
    sys.stderr.write(f"{sentence}\n")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that costs or cannot be undone, unless `yes`.

    Raises Refused where the answer is no, or where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{question} Nobody can be asked here: say --yes.", Exit.NOT_CONFIRMED)
    try:
        said = typer.confirm(question, err=True)
    except typer.Abort:
        said = False
    if not said:
        raise Refused("Nothing was done.", Exit.NOT_CONFIRMED)


def opened(path: Path, mode: Literal["a", "w"]) -> TextIO:
    """Open a file to write to. Raises Refused."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open(mode, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from None
