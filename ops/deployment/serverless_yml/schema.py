"""The JSON Schema of serverless.yml.

Run as a module, this file writes the schema anew.

The first line of serverless.yml names it, so that editors complete and check the file.
"""

import json
from pathlib import Path
from typing import Any

from ops.deployment.serverless_yml.model import FilePart

PATH = Path(__file__).with_name("serverless.schema.json")
# Draft 7 is what every editor's YAML server understands.
_DRAFT = "http://json-schema.org/draft-07/schema#"
_VARIABLE = {"$ref": "#/definitions/Variable"}
_VARIABLE_RULE = {
    "description": "${env:NAME}, ${env:NAME, 'default'}, ${self:custom.name} or ${opt:stage}",
    "type": "string",
    "pattern": r"\$\{.+\}",
}
_UNSAID: tuple[Any, ...] = (None, {}, [], "", [""], {"patterns": []})


def schema() -> dict[str, Any]:
    """Return the schema that the model makes."""
    made = FilePart.model_json_schema(ref_template="#/definitions/{model}")
    parts = {name: _group(part) for name, part in made.pop("$defs").items()}
    return {"$schema": _DRAFT, **_group(made), "definitions": {**parts, "Variable": _VARIABLE_RULE}}


def _group(part: dict[str, Any]) -> dict[str, Any]:
    """Return one group of the file without what is pydantic's own, and with variables."""
    kept = {key: part[key] for key in part if key not in ("title", "properties")}
    return kept | {"properties": {name: _value(v) for name, v in part["properties"].items()}}


def _value(value: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value that may be a variable instead, unless it is a group.

    (A group may be one too; but so an editor would tell less precisely what is wrong in it.)
    """
    told = {key: value[key] for key in ("description", "examples", "default") if key in value}
    if told.get("default") in _UNSAID:
        told.pop("default", None)
    rule = {key: value[key] for key in value if key not in (*told, "title", "default")}
    choices = [_inside(c) for c in rule.get("anyOf", [rule]) if c != {"type": "null"}]
    groups = [c for c in choices if "$ref" in c or c.get("type") == "object"]
    if groups != choices and {"type": "string"} not in choices:
        choices.append(_VARIABLE)
    return told | (choices[0] if len(choices) == 1 else {"anyOf": choices})


def _inside(rule: dict[str, Any]) -> dict[str, Any]:
    """Let what is in a list or under names of one's own be a variable as well."""
    changed = dict(rule)
    if "items" in rule:
        changed["items"] = _value(rule["items"])
    if "patternProperties" in rule:
        named = rule["patternProperties"].items()
        changed["patternProperties"] = {name: _value(value) for name, value in named}
        changed["additionalProperties"] = False
    return changed


def text() -> str:
    """Return the schema as it stands in the repository."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
