"""What pydantic found in serverless.yml, as sentences at the lines where it stands."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ops.deployment.serverless_yml.document import Document, Place, dotted
from ops.deployment.serverless_yml.model import FilePart
from ops.deployment.serverless_yml.problems import Problem
from ops.deployment.serverless_yml.rules import SAID

_GROUP = "write a group: lines such as 'name: value', indented further"
_INSTEAD = {
    "model_type": _GROUP,
    "dict_type": _GROUP,
    "list_type": "write a list: lines that begin with '- '",
    "too_short": "name at least one",
}
# What people know from the Serverless Framework, and what there is for it here.
_ELSEWHERE = {
    "cors": "leave it out: it is set in the gateway's console",
    "event": "write events: and a list",
    "exclude": "write patterns: with ! in front of each",
    "existing": "leave it out: the bucket has to be there in any case",
    "frameworkVersion": "leave it out: this is not the Serverless Framework",
    "httpApi": "write http: true",
    "include": "write patterns:",
    "individually": "leave it out: every function has a zip of its own",
    "input": "leave it out: the functions read nothing from a timer",
    "layers": "leave it out: requirements.txt says what is packed",
    "name": "leave it out: it is called <service>-<stage>-<function>",
    "plugins": "leave it out: there are none",
    "provisionedConcurrency": "write maxConcurrency:",
    "reservedConcurrency": "write maxConcurrency:",
    "resources": "leave it out: buckets and roles are made in the console",
    "role": "write it below iam: in provider:",
    "rules": "write prefix: and suffix: beside the bucket",
    "s3": "write tos: with bucket:, events: and prefix:",
}


def complaints(error: ValidationError, document: Document, failed: set[Place]) -> Iterator[Problem]:
    """Go through what is wrong, leaving out what failed before and is told already."""
    for found in error.errors(include_url=False):
        place = found["loc"]
        if not any(place[: len(told)] == told for told in failed):
            wrong, instead = _sentence(found, document)
            yield Problem(document.line(place), wrong, instead)


def _sentence(found: ErrorDetails, document: Document) -> tuple[str, str]:
    kind, place = found["type"], found["loc"]
    key = str(place[-1]) if place else ""
    if key == "[key]":
        return f"{place[-2]} cannot be a name in {dotted(place[:-2])}", found["msg"]
    if kind == "missing":
        return f"{dotted(place)} is missing", _example(place)
    if kind == "extra_forbidden":
        known = [field.alias or name for name, field in _model(place).model_fields.items()]
        near = get_close_matches(key, known, n=1)
        either = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"{dotted(place)} is not known", _ELSEWHERE.get(key, either)
    instead = found["msg"] if kind == SAID else _INSTEAD.get(kind, found["msg"])
    place, raw = _standing(document, place)
    return f"{dotted(place)} {_is(place, raw)}", instead


def _standing(document: Document, place: Place) -> tuple[Place, Any]:
    """Return where in the file a value stands, and as what: it may be short for a group or list."""
    raw: Any = document.values
    for depth, step in enumerate(place):
        if place[: depth + 1] not in document.lines:
            return place[:depth], raw
        raw = raw[step]
    return place, raw


def _is(place: Place, raw: Any) -> str:
    """Say what stands in the file, not what a variable made of it: that may be a secret."""
    if isinstance(raw, (dict, list)) or "environment" in place:
        return "does not fit"
    if isinstance(raw, str):
        return f"is {raw}, whose value does not fit" if "${" in raw else f"is {raw!r}"
    return f"is {str(raw).lower()}"


def _example(place: Place) -> str:
    fields = _model(place).model_fields
    example = (fields[str(place[-1])].examples or [{}])[0]
    below = isinstance(example, (dict, list))
    return f"write {place[-1]}: {'and, below it, what belongs to it' if below else example}"


def _model(place: Place) -> type[BaseModel]:
    """Return the part of the file that the last step of a place stands in."""
    model: type[BaseModel] = FilePart
    is_key = False
    for step in place[:-1]:
        if is_key or isinstance(step, int):
            is_key = False
            continue
        field = next(f for name, f in model.model_fields.items() if step in (f.alias, name))
        model = next(_models_in(field.annotation), model)
        is_key = get_origin(field.annotation) is dict
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
