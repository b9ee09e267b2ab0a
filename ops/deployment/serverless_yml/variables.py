"""The variables of serverless.yml: their syntax, and their values.

`${env:NAME}`, `${self:custom.name, 'default'}`; a source may be a variable itself. The first source
that has a value counts. A value that is one variable and nothing else keeps the type of what it
refers to; within other text it becomes text. A value from the environment is taken as it is: a `${`
in it means nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ops.deployment.serverless_yml.document import Document, Place, Problem, dotted
from ops.deployment.serverless_yml.service import is_secret

DEFAULT_STAGE = "dev"
_STAGE_PLACE: Place = ("provider", "stage")
_FIX = (
    "write ${env:NAME}, ${self:custom.name}, ${opt:stage} or ${sls:stage}, or one with a default: "
    "${env:NAME, 'default'}"
)
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
    """A variable has no value: what is wrong with it, and how to fix it."""

    def __init__(self, wrong: str, fix: str) -> None:
        self.wrong, self.fix = wrong, fix


class _Absent(NoValue):
    """A source has no value: the next one counts, if there is one."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """One `${…}`: its sources in their order, each a kind and a name."""

    sources: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A text, number, true, false or null; `literal` if any of it is written in the file."""

    value: str | int | bool | None
    literal: bool


class _Failed:
    """The value of a variable that has none; its problem is reported already."""


@dataclass
class Variables:
    """The file's `values`, with the values of variables in their places.

    `failed` are the places without a value, which are left out of their group, as those whose value
    is `null` are. `literal` are the places whose value is written in the file, at least in part, be
    it there or in another place that a variable refers to. If `with_settings` is false, the
    functions' environment (`environment:`) is left out.
    """

    document: Document
    environment: Mapping[str, str]
    option_stage: str | None
    with_settings: bool = True
    problems: list[Problem] = field(default_factory=list)
    failed: set[Place] = field(default_factory=set)
    literal: set[Place] = field(default_factory=set)
    values: dict[str, Any] = field(init=False)
    _known: dict[Place, Any] = field(default_factory=dict)
    _open: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        values = self.document.values
        if not self.with_settings:
            values = _without_settings(values)
        self.values = self._plain(self._tree(values, ()), ())

    def stage(self) -> str:
        """Return the stage: the option's, else provider.stage, else `dev`."""
        found = self._stage()
        return str(found.value) if isinstance(found, _Leaf) else DEFAULT_STAGE

    def _stage(self) -> Any:
        if self.option_stage is not None:
            return _Leaf(self.option_stage, literal=False)
        provider = self.document.values.get("provider")
        raw = provider.get("stage") if isinstance(provider, dict) else None
        return _Leaf(DEFAULT_STAGE, literal=False) if raw is None else self._tree(raw, _STAGE_PLACE)

    def _tree(self, raw: Any, place: Place) -> Any:
        """Return the resolved value: dicts and lists of leaves, and of what failed."""
        if isinstance(raw, dict):
            return {key: self._tree(value, (*place, key)) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self._tree(value, (*place, index)) for index, value in enumerate(raw)]
        if not isinstance(raw, str):
            return _Leaf(raw, literal=True)
        if place in self._open:
            circle = [*self._open[self._open.index(place) :], place]
            names = " → ".join(map(dotted, circle))
            raise NoValue(f"the variables form a circle, {names}", "write one of them out")
        if place not in self._known:
            self._open.append(place)
            try:
                self._known[place] = self._text(raw)
            except NoValue as missing:
                line = self.document.line(place)
                self.problems.append(Problem(line, missing.wrong, missing.fix))
                self._known[place] = _Failed()
            self._open.pop()
        return self._known[place]

    def _plain(self, tree: Any, place: Place) -> Any:
        """Return a tree's values alone, and note which of them failed or are literal."""
        if isinstance(tree, dict):
            plain = {key: self._plain(value, (*place, key)) for key, value in tree.items()}
            return {key: value for key, value in plain.items() if value is not None}
        if isinstance(tree, list):
            return [self._plain(value, (*place, index)) for index, value in enumerate(tree)]
        if isinstance(tree, _Failed):
            self.failed.add(place)
            return None
        if tree.value is None and tree.literal:
            wrong = f"{dotted(place)} has no value"
            self.failed.add(place)
            self.problems.append(
                Problem(self.document.line(place), wrong, "write one, or remove the line")
            )
        if tree.literal:
            self.literal.add(place)
        return tree.value

    def _text(self, raw: str) -> Any:
        parts = [self._resolve(p) if isinstance(p, _Reference) else p for p in _parts(raw)]
        if len(parts) == 1:
            return _Leaf(raw, literal=True) if isinstance(parts[0], str) else parts[0]
        leaves = [_Leaf(p, literal=True) if isinstance(p, str) else p for p in parts]
        if any(isinstance(leaf, _Failed) for leaf in leaves):
            return _Failed()
        if not all(isinstance(leaf, _Leaf) and leaf.value is not None for leaf in leaves):
            raise NoValue(
                "a variable within this text is not a text",
                "refer to a single value, or let the variable stand alone",
            )
        text = "".join(_spelled(leaf.value) for leaf in leaves)
        return _Leaf(text, literal=any(leaf.literal for leaf in leaves))

    def _resolve(self, reference: _Reference) -> Any:
        missing: list[_Absent] = []
        for kind, name in reference.sources:
            try:
                return self._source(kind, name)
            except _Absent as absent:
                missing.append(absent)
        raise missing[0]

    def _source(self, kind: str, name: Any) -> Any:
        match kind:
            case "literal":
                return _Leaf(name, literal=name is not None)
            case "reference":
                return self._resolve(name)
            case "env":
                # As with the functions' own settings, an empty one counts as not set.
                if not self.environment.get(name, "").strip():
                    fix = "export it"
                    if not is_secret(name):
                        fix += f", or write ${{env:{name}, 'default'}}"
                    raise _Absent(f"{name} is not set in the environment", fix)
                return _Leaf(self.environment[name], literal=False)
            case "opt":
                if self.option_stage is None:
                    fix = f"use it, or write ${{opt:stage, '{DEFAULT_STAGE}'}}"
                    raise _Absent("the option --stage is missing", fix)
                return _Leaf(self.option_stage, literal=False)
            case "sls":
                return self._stage()
            case _:
                return self._self(name)

    def _self(self, name: str) -> Any:
        value: Any = self.document.values
        place: Place = ()
        for word in name.split("."):
            step: str | int = int(word) if isinstance(value, list) and word.isdecimal() else word
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                known = [str(key) for key in value] if isinstance(value, dict) else []
                near = get_close_matches(word, known, n=1)
                raise _Absent(
                    f"there is no {dotted((*place, word))} in this file",
                    f"did you mean {dotted((*place, near[0]))}?" if near else "add it",
                ) from None
            place = (*place, step)
        return self._tree(value, place)


def _parts(text: str) -> Iterator[str | _Reference]:
    """Split a text into texts and variables. Raises NoValue for one that cannot be read."""
    position = 0
    while (start := text.find("${", position)) >= 0:
        if start > position:
            yield text[position:start]
        reference, position = _parse(text, start + len("${"))
        yield reference
    if position < len(text) or not text:
        yield text[position:]


def _parse(text: str, position: int) -> tuple[_Reference, int]:
    """Read a variable's sources from after its `${`; return the position of its end."""
    sources = []
    while True:
        if nested := _NESTED.match(text, position):
            inner, position = _parse(text, nested.end())
            sources.append(("reference", inner))
        elif found := _SOURCE.match(text, position):
            sources.append(_read_source(found))
            position = found.end()
        following = _NEXT.match(text, position)
        if following is None or not sources:
            # Its text is not repeated: it may be a secret.
            raise NoValue("this is not a variable", _FIX)
        position = following.end()
        if following[1] == "}":
            return _Reference(tuple(sources)), position


def _read_source(found: re.Match[str]) -> tuple[str, Any]:
    kind, name, word = found["kind"], found["name"], found["word"]
    if kind in _NAMES and _NAMES[kind].fullmatch(name):
        return kind, name
    if kind is not None:
        raise NoValue(f"${{{kind}:…}} is unknown", _FIX)
    if word in _WORDS:
        return "literal", _WORDS[word]
    if word is not None:
        if not _NUMBER.fullmatch(word):
            raise NoValue("a variable's default is not in quotes", "write 'default'")
        return "literal", int(word)
    return "literal", found["single"] if found["single"] is not None else found["double"]


def _spelled(value: str | int | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_settings(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out `environment:`, the provider's and each function's."""

    def without(part: Any) -> Any:
        if not isinstance(part, dict):
            return part
        return {key: value for key, value in part.items() if key != "environment"}

    parts = {name: without(v) if name == "provider" else v for name, v in values.items()}
    if isinstance(parts.get("functions"), dict):
        parts["functions"] = {name: without(part) for name, part in parts["functions"].items()}
    return parts
