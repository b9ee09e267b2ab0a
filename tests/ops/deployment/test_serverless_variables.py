"""The variables of serverless.yml: what they stand for, and what is told where they do not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ops.deployment.serverless_yml.document import read_document
from ops.deployment.serverless_yml.variables import Variables
from tests.ops.deployment.serverless_file import mistakes, with_setting

ENVIRONMENT = {"A": "from A", "NUMBER": "7", "EMPTY": " ", "SLY": "${env:A}"}


def resolved(
    folder: Path, text: str, environment: Mapping[str, str] = ENVIRONMENT, stage: str | None = None
) -> Variables:
    path = folder / "serverless.yml"
    path.write_text(text, "utf-8")
    document, problems = read_document(path)
    assert [] == problems
    return Variables(document, environment, stage)


def value_of(folder: Path, written: str, rest: str = "", stage: str | None = None) -> Any:
    variables = resolved(folder, f"value: {written}\n{rest}", stage=stage)
    assert [] == variables.problems
    return variables.values.get("value")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${env:A}", "from A"),
        ("${env:NUMBER}", "7"),
        ("${env:A, 'default'}", "from A"),
        ("${env:GONE, 'default'}", "default"),
        ("${env:EMPTY, 'default'}", "default"),
        ('${env:GONE, "it\'s"}', "it's"),
        ("${env:GONE, '}, {'}", "}, {"),
        ("${env:GONE, 7}", 7),
        ("${env:GONE, -7}", -7),
        ("${env:GONE, true}", True),
        ("${env:GONE, ''}", ""),
        ("${env:GONE, ${env:A}}", "from A"),
        ("${env:GONE, ${env:GONE, 'c'}}", "c"),
        ("${env:GONE, env:A}", "from A"),
        ("${ env:A }", "from A"),
        ("<${env:A}-${env:NUMBER}>", "<from A-7>"),
        ("is ${env:GONE, true} and ${env:GONE, 7}", "is true and 7"),
        ("no variable: $5 {x} $", "no variable: $5 {x} $"),
    ],
)
def test_a_variable_stands_for_its_first_source_that_is_there(
    tmp_path: Path, written: str, value: Any
) -> None:
    assert value == value_of(tmp_path, f"'{written}'" if ": " in written else written)


def test_what_comes_from_the_environment_is_not_read_again(tmp_path: Path) -> None:
    assert "${env:A}" == value_of(tmp_path, "${env:SLY}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", 512),
        ("flag", False),
        ("list", [1, "from A"]),
        ("list.1", "from A"),
        ("group", {"inner": 512}),
        ("group.inner", 512),
        ("gone, 'default'", "default"),
    ],
)
def test_a_place_in_the_file_keeps_its_type(tmp_path: Path, name: str, value: Any) -> None:
    custom = (
        "custom: {number: 512, flag: false, list: [1, '${env:A}'],"
        " group: {inner: '${self:custom.number}'}}"
    )

    assert value == value_of(tmp_path, f"${{self:custom.{name}}}", custom)


def test_null_leaves_a_value_out(tmp_path: Path) -> None:
    variables = resolved(tmp_path, "a: ${env:GONE, null}\nb: {c: '${env:GONE, null}', d: 1}")

    assert ({"b": {"d": 1}}, []) == (variables.values, variables.problems)


@pytest.mark.parametrize(
    ("written", "option", "value"),
    [
        ("${opt:stage}", "prod", "prod"),
        ("${opt:stage, 'dev'}", None, "dev"),
        ("${opt:stage, self:provider.stage}", None, "test"),
        ("${sls:stage}", None, "test"),
        ("${sls:stage}", "prod", "prod"),
        ("${self:provider.stage}", "prod", "test"),
    ],
)
def test_the_stage_can_be_named(
    tmp_path: Path, written: str, option: str | None, value: str
) -> None:
    assert value == value_of(tmp_path, written, "provider: {stage: test}", option)


def test_the_file_is_not_to_blame_for_what_comes_wholly_from_the_environment(
    tmp_path: Path,
) -> None:
    variables = resolved(
        tmp_path,
        "custom: {out: '${env:A}', in: text}\n"
        "a: ${env:A}\n"
        "b: ${self:custom.out}\n"
        "c: ${env:GONE, ${env:A}}\n"
        "d: ${env:A}${env:NUMBER}\n"
        "e: text\n"
        "f: ${self:custom.in}\n"
        "g: ${env:GONE, 'text'}\n"
        "h: x${env:A}\n"
        "i: 5\n"
        "j: ${self:custom}\n",
    )

    assert {
        ("custom", "in"), ("e",), ("f",), ("g",), ("h",), ("i",), ("j", "in"),
    } == variables.literal  # fmt: skip


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            "${env:GONE}",
            "GONE is not set in the environment; export it, or write ${env:GONE, 'default'}.",
        ),
        (
            "${env:EMPTY}",
            "EMPTY is not set in the environment; export it, or write ${env:EMPTY, 'default'}.",
        ),
        ("${env:MY_TOKEN}", "MY_TOKEN is not set in the environment; export it."),
        (
            "${opt:stage}",
            "the option --stage is missing; use it, or write ${opt:stage, 'dev'}.",
        ),
        (
            "${self:custom.bukcet}",
            "there is no custom.bukcet in this file; did you mean custom.bucket?",
        ),
        ("${self:custom.bucket.x}", "there is no custom.bucket.x in this file; add it."),
        ("${file(x.json)}", "this is not a variable; write ${env:NAME}"),
        ("${AWS::Region}", "${AWS:…} is unknown; write ${env:NAME}"),
        ("${opt:region}", "${opt:…} is unknown; write ${env:NAME}"),
        ("${env:GONE, default}", "a variable's default is not in quotes; write 'default'."),
        ("${env:A", "this is not a variable; write ${env:NAME}"),
        ("${}", "this is not a variable; write ${env:NAME}"),
        ("${env:A 'hunter2'}", "this is not a variable; write ${env:NAME}"),
        (
            "a ${self:custom} b",
            "a variable within this text is not a text; refer to a single value",
        ),
        (
            "a ${env:GONE, null} b",
            "a variable within this text is not a text; refer to a single value",
        ),
    ],
)
def test_a_variable_without_a_value_says_how_to_give_it_one(
    tmp_path: Path, written: str, told: str
) -> None:
    variables = resolved(tmp_path, f'custom: {{bucket: photos}}\n\nvalue: "{written}"')

    [problem] = variables.problems
    sentence = problem.sentence(Path("serverless.yml"))
    assert sentence.startswith(f"serverless.yml:3: {told}")
    assert "hunter2" not in sentence
    assert {("value",)} == variables.failed


def test_variables_that_go_round_in_a_circle_are_told_once(tmp_path: Path) -> None:
    variables = resolved(
        tmp_path,
        "a: ${self:b}\nb: ${self:c.d}\nc:\n  d: x${self:b}\nprovider:\n  stage: ${sls:stage}\n",
    )

    circle = "the variables form a circle, "
    assert [
        (4, f"{circle}b → c.d → b", "write one of them out"),
        (6, f"{circle}provider.stage → provider.stage", "write one of them out"),
    ] == [(problem.line, problem.wrong, problem.fix) for problem in variables.problems]


def test_what_has_no_value_is_told_where_it_stands_and_nowhere_else(tmp_path: Path) -> None:
    text = with_setting("REPAINT_DAILY_CAP: ${self:custom.cap}  ")
    text += "custom:\n  cap: ${env:CAP}\n"

    told = mistakes(tmp_path, text)

    assert [
        "18: CAP is not set in the environment; export it, or write ${env:CAP, 'default'}."
    ] == (told)
