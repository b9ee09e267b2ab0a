"""The JSON Schema of serverless.yml, which editors find by the first line of that file.

`python -m ops.deployment.serverless_yml.schema` writes it anew.
"""

import json
from pathlib import Path
from typing import Any

from ops.deployment.serverless_yml.model import FilePart

PATH = Path(__file__).with_name("serverless.schema.json")
# Every editor's YAML server understands draft 7.
_DRAFT = "http://json-schema.org/draft-07/schema#"
_VARIABLE = {"$ref": "#/definitions/Variable"}
_VARIABLE_RULE = {
    "description": "${env:NAME}, ${env:NAME, 'default'}, ${self:custom.name} or ${opt:stage}",
    "type": "string",
    "pattern": r"\$\{.+\}",
}
_OMITTED_DEFAULTS: tuple[Any, ...] = (None, {}, [], "", [""], {"patterns": []})


def schema() -> dict[str, Any]:
    """Return the schema of the model."""
    made = FilePart.model_json_schema(ref_template="#/definitions/{model}")
    parts = {name: _group(part) for name, part in made.pop("$defs").items()}
    return {"$schema": _DRAFT, **_group(made), "definitions": {**parts, "Variable": _VARIABLE_RULE}}


def _group(part: dict[str, Any]) -> dict[str, Any]:
    """Return one group of the file without pydantic's additions, and with variables."""
    kept = {key: part[key] for key in part if key not in ("title", "properties")}
    return kept | {"properties": {name: _value(v) for name, v in part["properties"].items()}}


def _value(value: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may be a variable instead, unless it is a group.

    (A group may be a variable too; but with it an editor would report problems less precisely.)
    """
    notes = {key: value[key] for key in ("description", "examples", "default") if key in value}
    if notes.get("default") in _OMITTED_DEFAULTS:
        notes.pop("default", None)
    rule = {key: value[key] for key in value if key not in (*notes, "title", "default")}
    choices = [_inside(c) for c in rule.get("anyOf", [rule]) if c != {"type": "null"}]
    groups = [c for c in choices if "$ref" in c or c.get("type") == "object"]
    if groups != choices and {"type": "string"} not in choices:
        choices.append(_VARIABLE)
    return notes | (choices[0] if len(choices) == 1 else {"anyOf": choices})


def _inside(rule: dict[str, Any]) -> dict[str, Any]:
    """Allow variables in a list and below names of one's own as well."""
    changed = dict(rule)
    if "items" in rule:
        changed["items"] = _value(rule["items"])
    if "patternProperties" in rule:
        named = rule["patternProperties"].items()
        changed["patternProperties"] = {name: _value(value) for name, value in named}
        changed["additionalProperties"] = False
    return changed


def text() -> str:
    """Return the schema as the repository contains it."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
