"""How variables are written: `${env:NAME}`, `${self:custom.name, 'default'}`, one in the other."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_KINDS = "${env:NAME}, ${self:custom.name}, ${opt:stage} and ${sls:stage}"
_NAMES = {
    "env": re.compile(r"[A-Za-z_][A-Za-z0-9_]*"),
    "self": re.compile(r"[^.]+(?:\.[^.]+)*"),
    "opt": re.compile(r"stage"),
    "sls": re.compile(r"stage"),
}
_WORDS = {"null": None, "true": True, "false": False}
_SOURCE = re.compile(
    r"""\s*(?: '(?P<single>[^']*)' | "(?P<double>[^"]*)"
    | (?P<kind>\w+):(?P<name>[^\s,{}'"]+) | (?P<word>[\w-]+)(?=\s*[,}]) )""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_NESTED = re.compile(r"\s*\$\{")
_NEXT = re.compile(r"\s*([,}])")


class NoValue(Exception):
    """A variable has no value, for what is wrong with it."""

    def __init__(self, wrong: str, instead: str) -> None:
        self.wrong, self.instead = wrong, instead


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${…}`: its sources in their order, each a kind and what it names."""

    sources: tuple[tuple[str, Any], ...]


def parts_of(text: str) -> Iterator[str | Reference]:
    """Take a text apart. Raises NoValue for a variable that is none."""
    position = 0
    while (start := text.find("${", position)) >= 0:
        if start > position:
            yield text[position:start]
        reference, position = _parse(text, start + len("${"))
        yield reference
    if position < len(text) or not text:
        yield text[position:]


def _parse(text: str, position: int) -> tuple[Reference, int]:
    """Read a variable's sources from behind its `${`; return where it ends."""
    sources = []
    while True:
        if nested := _NESTED.match(text, position):
            inner, position = _parse(text, nested.end())
            sources.append(("reference", inner))
        elif found := _SOURCE.match(text, position):
            sources.append(_read(found))
            position = found.end()
        following = _NEXT.match(text, position)
        if following is None or not sources:
            # Its text is not repeated: it may be a secret.
            raise NoValue("this is no variable", f"known are {_KINDS}, with ', 'default'' behind")
        position = following.end()
        if following[1] == "}":
            return Reference(tuple(sources)), position


def _read(found: re.Match[str]) -> tuple[str, Any]:
    kind, name, word = found["kind"], found["name"], found["word"]
    if kind in _NAMES and _NAMES[kind].fullmatch(name):
        return kind, name
    if kind is not None:
        raise NoValue(f"${{{kind}:…}} cannot be read", f"known are {_KINDS}")
    if word in _WORDS:
        return "literal", _WORDS[word]
    if word is not None:
        if not _NUMBER.fullmatch(word):
            raise NoValue("a default in a variable is not in quotes", "write 'default'")
        return "literal", int(word)
    return "literal", found["single"] if found["single"] is not None else found["double"]
