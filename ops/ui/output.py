"""The output of commands: for people with Rich, for programs as JSON; and the exit codes.

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
    """The exit codes; `repaint --help` lists them too."""

    DONE = 0
    NEEDS_YOU = 1
    WRONG = 2
    NOT_CONFIRMED = 3
    INTERRUPTED = 130


class Refused(Exception):
    """A command cannot do what was asked: a sentence for the user, and the exit code."""

    def __init__(self, sentence: str, code: Exit = Exit.WRONG) -> None:
        super().__init__(sentence)
        self.code = code


def people() -> Console:
    """Return the console for the result that people read."""
    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def aside() -> Console:
    """Return the console for progress and questions."""
    return Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty())


def printable(text: str) -> str:
    """Return a foreign text on one line, with unprintable characters escaped.

    Control characters could drive a terminal, or reverse the text around them; those that join
    the parts of an emoji stay.
    """
    return "".join(c if c.isprintable() or c in _JOINERS else _escaped(c) for c in text)


def plain(text: str) -> str:
    """Return a foreign text as it may be printed here: printable, and not as markup."""
    return escape(printable(text))


def _escaped(character: str) -> str:
    return " " if character.isspace() else character.encode("unicode_escape").decode()


def print_json(document: Any) -> None:
    """Print one JSON document for programs."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def print_json_line(document: Any) -> None:
    """Print one JSON document on one line, one of many."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")


def print_refusal(sentence: str) -> None:
    """Print on stderr why nothing was done."""
    sys.stderr.write(f"{sentence}\n")


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that costs money or cannot be undone, unless `yes`.

    Raises Refused if the answer is no, or if there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(f"{question} There is no terminal to ask on: add --yes.", Exit.NOT_CONFIRMED)
    try:
        confirmed = typer.confirm(question, err=True)
    except typer.Abort:
        confirmed = False
    if not confirmed:
        raise Refused("Nothing was done.", Exit.NOT_CONFIRMED)


def opened(path: Path, mode: Literal["a", "w"]) -> TextIO:
    """Open a file to write to. Raises Refused."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open(mode, encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from None
