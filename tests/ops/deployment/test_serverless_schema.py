"""The JSON Schema of serverless.yml: the model's own, and as strict as what reads the file."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from ops.deployment.serverless_yml import schema
from tests.ops.command import ROOT
from tests.ops.deployment.serverless_file import RIGHT, read
from tests.ops.deployment.serverless_shapes import SHAPES


def problems(text: str) -> list[str]:
    validator = jsonschema_rs.validator_for(schema.schema())
    return [error.message for error in validator.iter_errors(YAML(typ="safe").load(text))]


def test_the_schema_in_the_repository_is_what_the_model_makes() -> None:
    assert schema.text() == schema.PATH.read_text("utf-8"), (
        "run: python -m ops.deployment.serverless_yml.schema"
    )


def test_the_schema_is_one_itself() -> None:
    jsonschema_rs.meta.validate(schema.schema())


def test_the_first_line_of_serverless_yml_names_the_schema() -> None:
    first = (ROOT / "serverless.yml").read_text("utf-8").splitlines()[0]

    comment, _, path = first.partition("$schema=")
    assert "# yaml-language-server: " == comment
    assert schema.PATH == ROOT / path


def test_serverless_yml_is_right_by_the_schema() -> None:
    assert [] == problems((ROOT / "serverless.yml").read_text("utf-8"))


@pytest.mark.parametrize("text", [text for text, _ in SHAPES.values()], ids=SHAPES.keys())
def test_a_wrong_shape_is_seen_by_editors_too(text: str) -> None:
    assert [] != problems(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: volcengine", "name: volcengine\n  memorySize: ${env:MEMORY, 1024}"),
        ("name: volcengine", "name: volcengine\n  timeout: ${self:custom.seconds}"),
        ("name: volcengine", "name: volcengine\n  stage: ${opt:stage, 'dev'}"),
        ("name: volcengine", "name: volcengine\n  iam: {role: '${env:ROLE, null}'}"),
        ("bucket: photos", "bucket: ${self:custom.bucket}"),
        ("prefix: uploads/", "suffix: ${self:custom.suffixes}"),
        ("prefix: uploads/", "suffix: ['${self:custom.suffixes.0}', .png]"),
        ("      - tos:", "      - schedule: ${self:custom.rate}\n      - tos:"),
        (
            "  - tos:",
            "  - schedule: {rate: rate(1 hour), enabled: '${self:custom.on}'}\n      - tos:",
        ),
        ("      - tos:", "      - http: {path: /, method: POST}\n      - tos:"),
        ("REPAINT_LEDGER", "REPAINT_DAILY_CAP: 100\n    REPAINT_LEDGER"),
    ],
)
def test_what_is_right_is_right_for_both(tmp_path: Path, old: str, new: str) -> None:
    text = RIGHT.replace(old, new, 1) + (
        "custom: {seconds: 200, bucket: photos, suffixes: [.jpg], rate: rate(1 minute), on: true}\n"
    )

    assert [] == problems(text)
    assert "shop" == read(tmp_path, text).name


def fields(part: Any) -> list[tuple[str, dict[str, Any]]]:
    return list(part.get("properties", {}).items())


def test_every_field_says_what_it_is_for() -> None:
    made = schema.schema()
    groups = [made, *made["definitions"].values()]

    silent = [
        name
        for group in groups
        for name, field in fields(group)
        if "description" not in field
        and "description"
        not in made["definitions"].get(field.get("$ref", "").rpartition("/")[2], {})
    ]

    assert [] == silent


def test_every_example_in_the_schema_is_right_by_the_schema() -> None:
    made = schema.schema()
    groups = {"": made, **made["definitions"]}
    wrong = []
    for group, part in groups.items():
        for name, field in fields(part):
            rule = {"$schema": made["$schema"], "definitions": made["definitions"], **field}
            validator = jsonschema_rs.validator_for(rule)
            wrong += [
                (group, name, example)
                for example in field.get("examples", [])
                if not validator.is_valid(example)
            ]

    assert [] == wrong
