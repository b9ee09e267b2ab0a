"""The YAML of serverless.yml as plain values, with the line of each, and the problems in it.

Read by YAML 1.2: `on` and `1:30` are text. A number with a point or a leading zero is text as well,
so that a setting keeps its spelling.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from ops.ui.output import Refused

Place = tuple[str | int, ...]
"""The position of a value: the keys and indices that lead to it."""

_CORE = "tag:yaml.org,2002:"
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_SYNTAX_HINTS = (
    ("\\t", "a tab cannot indent", "use spaces"),
    ("alias", "a value that begins with * is read as an alias", "put it in quotes, as '*/5 …'"),
    (
        "mapping values",
        "a second ': ' in a line, or a line that is indented too far",
        "put the text in quotes, or indent the line like its neighbours",
    ),
    ("but got '{'", "a ${…} between brackets", "put it in quotes"),
    ("cannot start any token", "a value that begins with a special character", "put it in quotes"),
    ("another document", "a second document", "remove the line ---"),
)
_SYNTAX_ELSE = (
    "this cannot be read",
    "check the quotes, the brackets and the indentation here and on the line before",
)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to fix: the line, what is wrong there, and how to fix it."""

    line: int
    wrong: str
    fix: str

    def sentence(self, path: Path) -> str:
        """Return it in the form of a compiler's message, which editors link to the line."""
        end = "" if self.fix.endswith("?") else "."
        return f"{path}:{self.line}: {self.wrong}; {self.fix}{end}"


class ServerlessError(Refused):
    """serverless.yml is invalid. `problems` has a sentence for each problem, ordered by line."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.problems = [problem.sentence(path) for problem in sorted(set(problems))]
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Document:
    """The values of the file, and the line of each."""

    values: dict[str, Any]
    lines: dict[Place, int]

    def line(self, place: Place) -> int:
        """Return the line of a value; if it is missing, the line of the group it belongs to."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(path: Path) -> tuple[Document, list[Problem]]:
    """Read the file; return what can be read and the problems. Raises OSError."""
    try:
        root = YAML(typ="safe", pure=True).compose(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        return _unreadable(1, "the file is not UTF-8", "save it as UTF-8")
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = f"{error.context or ''} {error.problem or ''}"
        found = (hint for part, *hint in _SYNTAX_HINTS if part in message)
        return _unreadable(mark.line + 1 if mark else 1, *next(found, _SYNTAX_ELSE))
    except YAMLError:
        return _unreadable(1, "the file contains control characters", "save it as plain text")
    if not isinstance(root, MappingNode):
        fix = "begin with service: and the service's name"
        return _unreadable(1, "this is not a serverless.yml", fix)
    reader = _Reader()
    values = reader.read(root, ())
    return Document(values, reader.lines), reader.problems


def dotted(place: Place) -> str:
    """Return a place as people write it: `functions.upload.events[0].tos`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def _unreadable(line: int, wrong: str, fix: str) -> tuple[Document, list[Problem]]:
    return Document({}, {}), [Problem(line, wrong, fix)]


class _Reader:
    """Reads the values and lines of nodes."""

    def __init__(self) -> None:
        self.lines: dict[Place, int] = {}
        self.problems: list[Problem] = []
        self._open: list[Node] = []

    def read(self, node: Node, place: Place) -> Any:
        """Return the node's value, and keep the lines of what is in it."""
        self.lines.setdefault(place, _line(node))
        if not str(node.tag).startswith(_CORE):
            self._add(node, f"the tag {node.tag} is unknown", "remove it")
        if node in self._open:
            self._add(node, "this alias is inside the value that it names", "write the value out")
            return ""
        self._open.append(node)
        value: Any
        if isinstance(node, MappingNode):
            value = self._mapping(node, place)
        elif isinstance(node, SequenceNode):
            value = [self.read(item, (*place, i)) for i, item in enumerate(node.value)]
        else:
            value = _scalar(node)
        self._open.pop()
        return value

    def _mapping(self, node: MappingNode, place: Place) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            inner = (*place, key)
            if not isinstance(key_node, ScalarNode):
                self._add(key_node, "a key is not a single word", "write name: value")
            elif key in found:
                wrong = f"{key} is also on line {self.lines[inner]}"
                self._add(key_node, wrong, "remove one of the two")
            else:
                self.lines[inner] = _line(key_node)
                found[key] = self.read(value_node, inner)
        return found

    def _add(self, node: Node, wrong: str, fix: str) -> None:
        self.problems.append(Problem(_line(node), wrong, fix))


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar(node: Node) -> str | int | bool | None:
    text = str(node.value)
    if str(node.tag) == f"{_CORE}str":
        return text
    return int(text) if _INTEGER.fullmatch(text) else _WORDS.get(text, text)
