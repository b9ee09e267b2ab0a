"""The YAML of serverless.yml as plain values, with the line of each.

Read by the rules of YAML 1.2, as people expect: `on` and `1:30` are text, and `0755` is no number
in base eight. Numbers with a point stay text as well; every value is written as it was read, so
that a setting keeps its spelling.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ops.deployment.serverless_yml.problems import Problem

Place = tuple[str | int, ...]
"""Where a value stands: the keys and indices that lead to it."""

_CORE = "tag:yaml.org,2002:"
_SYNTAX_HINTS = (
    ("\\t", "a tab cannot indent", "write spaces"),
    ("alias", "a value that begins with * is taken for an alias", "put it in quotes, as '*/5 …'"),
    (
        "mapping values",
        "a second ': ' in a line, or a line that is indented too far",
        "put the text in quotes, or indent the line as its neighbours are",
    ),
    ("but got '{'", "a ${…} between brackets", "put it in quotes"),
    ("cannot start any token", "a value that begins with a special character", "put it in quotes"),
    ("another document", "a second document", "leave out the line ---"),
)
_SYNTAX_ELSE = (
    "this cannot be read",
    "check the quotes, the brackets and the indentation here and on the line before",
)


class _Loader(yaml.SafeLoader):
    """Knows null, true, false and whole numbers; everything else is text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - what PyYAML calls it


for _tag, _pattern, _first in (
    ("null", r"(?:~|null|)", ["~", "n", ""]),
    ("bool", r"(?:true|false)", ["t", "f"]),
    ("int", r"-?(?:0|[1-9][0-9]{0,17})", list("-0123456789")),
):
    _Loader.add_implicit_resolver(_CORE + _tag, re.compile(f"^{_pattern}$"), _first)


@dataclass(frozen=True, slots=True)
class Document:
    """What the file holds."""

    values: dict[str, Any]
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """Return the line of a value; of what it would stand in where it is missing."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(path: Path) -> tuple[Document, list[Problem]]:
    """Read the file. What cannot be read at all is told as a problem, and left out."""
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        return Document({}, {}), [Problem(1, "the file is not UTF-8", "save it as UTF-8")]
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        return Document({}, {}), [_syntax_problem(error)]
    except yaml.YAMLError:
        return Document({}, {}), [
            Problem(1, "the file holds control characters", "write it as plain text")
        ]
    reader = _Reader()
    if not isinstance(root, yaml.MappingNode):
        return Document({}, {}), [
            Problem(1, "this is no serverless.yml", "begin with service: and the service's name")
        ]
    values = reader.read(root, ())
    return Document(values, reader.lines), reader.problems


def dotted(place: Place) -> str:
    """Write a place as people do: `functions.upload.events[0].tos`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


class _Reader:
    """Goes through the nodes of the file once."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._open: list[yaml.Node] = []

    def read(self, node: yaml.Node, place: Place) -> Any:
        """Return the node's value, and keep the lines of what is in it."""
        self.lines.setdefault(place, _line(node))
        if not node.tag.startswith(_CORE):
            self._tell(node, f"the tag {node.tag} is not known here", "leave it out")
        if node in self._open:
            self._tell(node, "this alias stands inside of what it names", "write the value out")
            return ""
        self._open.append(node)
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, place)
        elif isinstance(node, yaml.SequenceNode):
            value = [self.read(item, (*place, i)) for i, item in enumerate(node.value)]
        else:
            value = _scalar(node)
        self._open.pop()
        return value

    def _mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._tell(key_node, "a key is a single word", "write name: value")
                continue
            key = str(key_node.value)
            inner = (*place, key)
            if key in found:
                first = self.lines[inner]
                self._tell(
                    key_node, f"{key} is there already, on line {first}", "keep one of the two"
                )
                continue
            self.lines[inner] = _line(key_node)
            found[key] = self.read(value_node, inner)
        return found

    def _tell(self, node: yaml.Node, wrong: str, instead: str) -> None:
        self.problems.append(Problem(_line(node), wrong, instead))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar(node: yaml.Node) -> str | int | bool | None:
    text = str(node.value)
    match node.tag.removeprefix(_CORE):
        case "null":
            return None
        case "bool":
            return text == "true"
        case "int" if text.removeprefix("-").isdecimal():
            return int(text)
        case _:
            return text


def _syntax_problem(error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    said = f"{error.context or ''} {error.problem or ''}"
    wrong, instead = next(
        ((wrong, instead) for part, wrong, instead in _SYNTAX_HINTS if part in said), _SYNTAX_ELSE
    )
    return Problem(mark.line + 1 if mark else 1, wrong, instead)
