"""What the variables in serverless.yml stand for.

Of the sources in one, the first that is there counts: `${env:NAME, 'default'}`. A value that is
one variable and nothing else keeps the type of what it names; within other text it becomes text.
What comes from the environment is taken as it is: a `${` in it means nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from ops.deployment.serverless_yml.document import Document, Place, dotted
from ops.deployment.serverless_yml.problems import Problem
from ops.deployment.serverless_yml.references import NoValue, Reference, parts_of
from ops.deployment.serverless_yml.secrets import is_secret

DEFAULT_STAGE = "dev"
_STAGE_PLACE: Place = ("provider", "stage")


class _Absent(NoValue):
    """A source has no value: the next one counts, if there is one."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A text, number, true, false or null; `literal` where the file itself says any of it."""

    value: str | int | bool | None
    literal: bool


class _Failed:
    """Stands where a variable has no value; the problem is told already."""


@dataclass
class Variables:
    """The file's `values`, with those of variables in their places.

    `problems` are told once, where they stand. `failed` are the places that have no value, and are
    left out of their group, as what is `null` is. `literal` are the places whose value the file
    itself spells out, at least in part, be it there or in another place that is named there.
    Where `with_settings` is false, the functions' own variables (`environment:`) are left out.
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
        """Return what a value stands for: dicts and lists of leaves, and of what failed."""
        if isinstance(raw, dict):
            return {key: self._tree(value, (*place, key)) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self._tree(value, (*place, index)) for index, value in enumerate(raw)]
        if not isinstance(raw, str):
            return _Leaf(raw, literal=True)
        if place in self._open:
            way = " → ".join(dotted(p) for p in [*self._open[self._open.index(place) :], place])
            raise NoValue(f"the variables go round in a circle, {way}", "write one of them out")
        if place not in self._known:
            self._open.append(place)
            try:
                self._known[place] = self._text(raw)
            except NoValue as problem:
                line = self.document.line(place)
                self.problems.append(Problem(line, problem.wrong, problem.instead))
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
            self._tell_empty(place)
        if tree.literal:
            self.literal.add(place)
        return tree.value

    def _tell_empty(self, place: Place) -> None:
        self.failed.add(place)
        self.problems.append(
            Problem(
                self.document.line(place),
                f"{dotted(place)} has no value",
                "write one, or leave the line out",
            )
        )

    def _text(self, raw: str) -> Any:
        parts = [self._referred(p) if isinstance(p, Reference) else p for p in parts_of(raw)]
        if len(parts) == 1:
            return _Leaf(raw, literal=True) if isinstance(parts[0], str) else parts[0]
        leaves = [_Leaf(p, literal=True) if isinstance(p, str) else p for p in parts]
        if any(isinstance(leaf, _Failed) for leaf in leaves):
            return _Failed()
        if not all(isinstance(leaf, _Leaf) and leaf.value is not None for leaf in leaves):
            raise NoValue(
                "a variable within this text is no text",
                "name a single value, or let the variable stand alone",
            )
        text = "".join(_spelled(leaf.value) for leaf in leaves)
        return _Leaf(text, literal=any(leaf.literal for leaf in leaves))

    def _referred(self, reference: Reference) -> Any:
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
                return self._referred(name)
            case "env":
                # As for the functions' own settings, one that is empty counts as not set.
                if not self.environment.get(name, "").strip():
                    raise _Absent(
                        f"{name} is not set in the environment",
                        "export it"
                        if is_secret(name)
                        else f"export it, or write ${{env:{name}, 'default'}}",
                    )
                return _Leaf(self.environment[name], literal=False)
            case "opt":
                if self.option_stage is None:
                    raise _Absent(
                        "--stage was not given",
                        f"give it, or write ${{opt:stage, '{DEFAULT_STAGE}'}}",
                    )
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
                    f"did you mean {dotted((*place, near[0]))}?" if near else "write it there",
                ) from None
            place = (*place, step)
        return self._tree(value, place)


def _spelled(value: str | int | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without_settings(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out `environment:`, the provider's and each function's."""

    def less(part: Any) -> Any:
        return (
            {k: v for k, v in part.items() if k != "environment"}
            if isinstance(part, dict)
            else part
        )

    parts = dict(values)
    if "provider" in parts:
        parts["provider"] = less(parts["provider"])
    if isinstance(parts.get("functions"), dict):
        parts["functions"] = {name: less(part) for name, part in parts["functions"].items()}
    return parts
