"""Presets: the checks at the start, their effect on an upload, and their precedence."""

import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import SettingsError
from shared.results import Result
from shared.settings import load_settings
from shared.uploads.presets import ROOT
from tests.fakes import ENVIRONMENT, World


def problems(*presets: dict[str, Any]) -> list[str]:
    """Return what is wrong with presets, without the name of the setting."""
    return problems_in(json.dumps(presets))


def problems_in(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings({**ENVIRONMENT, "REPAINT_PRESETS": text})
    return [problem.removeprefix("REPAINT_PRESETS ") for problem in caught.value.problems]


def deliver(world: World, *presets: dict[str, Any], key: str = "in/cat.png", **meta: str) -> Result:
    """Upload an object where presets apply, and deliver its event."""
    world.environment["REPAINT_PRESETS"] = json.dumps([{"prefix": "in/", **p} for p in presets])
    return world.deliver(world.cloud.upload(key, **meta))  # type: ignore[arg-type]  # metadata is text


def sent(world: World) -> dict[str, Any]:
    (body,) = world.cloud.bodies
    return {**body["ReqJson"], "Outputs": body["Outputs"]}


# Where they are read from


def test_file(tmp_path: Path) -> None:
    """Presets are read from a file."""
    file = tmp_path / "presets.json"
    file.write_text('\ufeff[{"prefix": "a/", "prompt": "漫画"}]', "utf-8")

    settings = load_settings({**ENVIRONMENT, "REPAINT_PRESETS": f" {file}\n"})

    assert ["漫画"] == [preset.prompt for preset in settings.presets]


def test_relative_path() -> None:
    """A relative path begins at the function's root."""
    assert (ROOT / "shared" / "uploads" / "presets.py").is_file()
    (problem,) = problems_in("no/presets.json")
    assert problem == (
        f"is wrong: the file {ROOT}/no/presets.json cannot be read (No such file or directory)."
    )


def test_value_is_hidden() -> None:
    """A value that is neither JSON nor a path is not repeated."""
    assert problems_in("hunter2-hunter2") == [
        "is wrong: it is neither a list in JSON nor the path of a .json file."
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b'{"prefix": ""}', "is not a list: put the presets between [ and ]."),
        (b"[", "is not JSON (Expecting value: line 1 column 2 (char 1))."),
        (b"[\xff]", "is not JSON ('utf-8' codec"),
        (b'[{"prefix": "\\ud800"}]', "has half of a surrogate pair"),
        (b"[" * 100_000, "is not JSON (maximum recursion depth"),
    ],
)
def test_invalid_file(tmp_path: Path, content: bytes, sentence: str) -> None:
    """The problem of a file's content comes with the file's name."""
    file = tmp_path / "presets.json"
    file.write_bytes(content)

    (problem,) = problems_in(str(file))

    assert problem.startswith(f"is wrong: the file {file} {sentence}")


def test_not_a_list() -> None:
    """A preset outside a list is reported."""
    assert ["is wrong: it is not a list: put the presets between [ and ]."] == problems_in(
        '{"prefix": "", "prompt": "x"}'
    )


# What is checked on start


@pytest.mark.parametrize(
    ("preset", "sentence"),
    [
        ({"promt": "x"}, "at 0.promt is wrong: there is no such field; the nearest is 'prompt'."),
        ({"model_action": "x"}, "there is no such field; the nearest is 'model'."),
        (
            {"logo": {"positon": 1}},
            "at 0.logo.positon is wrong: there is no such field; the nearest is 'position'.",
        ),
        ({"zzz": 1}, "there is no such field; there are prefix, prompt, seed,"),
        (
            {"prompt": "a {style cat"},
            "at 0.prompt is wrong: a '{' stands alone: write '{{' for the brace itself.",
        ),
        ({"prompt": "a style} cat"}, "a '}' stands alone: write '}}' for the brace itself."),
        ({"prompt": "{a{b}}"}, "a '{' stands alone"),
        ({"prompt": "{a!}"}, "a '{' stands alone"),
        ({"prompt": "{a[0]}"}, "'{a[0]}' is no placeholder"),
        ({"prompt": "{a:{b}}"}, "'{a:{b}}' is no placeholder"),
        (
            {"prompt": "a {} cat"},
            "'{}' is no placeholder: write {prompt}, {filename}, {stem} or the name of a metadata",
        ),
        ({"prompt": "{0}"}, "'{0}' is no placeholder"),
        ({"prompt": "{prompt!r}"}, "'{prompt!r}' is no placeholder"),
        ({"prompt": "{prompt:>9}"}, "'{prompt:>9}' is no placeholder"),
        ({"prompt": "{prompt.x}"}, "'{prompt.x}' is no placeholder"),
        ({"prompt": "{Style}"}, "'{Style}' is no placeholder"),
        ({"output": "{stem"}, "at 0.output is wrong: a '{' stands alone"),
        (
            {"output": "{stem} anime.png"},
            "at 0.output is wrong: an output's name made from it has a space",
        ),
        ({"output": "/{stem}"}, "begins or ends with '/'"),
        ({"output": ""}, "at 0.output is wrong"),
        ({"logo": {"opacity": 2}}, "at 0.logo.opacity is wrong"),
        (
            {"logo": {}, "req_json": {"logo_info": {"add_logo": True}}},
            "at 0.req_json is wrong: 'logo_info' is set by logo as well: leave one of them out.",
        ),
        (
            {"req_json": {"req_key": "other"}},
            "at 0.req_json is wrong: 'req_key' has a field of its own: use model.",
        ),
        ({"req_json": {"oops": 1}}, "at 0.req_json is wrong: reqJson's oops is wrong"),
        ({"model": {"req_key": "x", "action": "y"}}, "at 0.model.version is wrong"),
        ({"model": "x"}, "at 0.model is wrong: an object, between { and }, is needed."),
        ({"variants": 0}, "at 0.variants is wrong: input should be greater than or equal to 1."),
        ({"variants": 17}, "at 0.variants is wrong: input should be less than or equal to 16."),
        ({"variants": "3"}, "at 0.variants is wrong: input should be a valid integer."),
    ],
)
def test_mistake(preset: dict[str, Any], sentence: str) -> None:
    """A mistake is reported at the start, with its place."""
    (problem,) = problems({"prefix": "", **preset})

    assert sentence in problem


def test_all_mistakes() -> None:
    """All mistakes of all presets are reported together."""
    found = problems({"prefix": "", "steps": 51, "promt": "x"}, {"prompt": "{"})

    assert ["at 0.steps", "at 0.promt", "at 1.prefix", "at 1.prompt"] == [
        problem.partition(" is wrong")[0] for problem in found
    ]


def test_invalid_model() -> None:
    """Nothing is reported of the parameters of an invalid model."""
    found = problems({"prefix": "", "model": {"req_key": "x"}, "req_json": {"oops": 1}})

    assert ["at 0.model.action", "at 0.model.version"] == [
        problem.partition(" is wrong")[0] for problem in found
    ]


# What placeholders stand for


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("{prompt}, oil painting", "a cat, oil painting"),
        ("{filename} {stem}", "cat.tar.png cat.tar"),
        ("{style} {x-2}", "漫画 two"),
        ("{{{style}}} {{prompt}}", "{漫画} {prompt}"),
        ("{prompt} {prompt} {seed}", "a cat a cat 7"),
    ],
)
def test_placeholders(world: World, text: str, made: str) -> None:
    """Placeholders are replaced with their values."""
    preset = {"prompt": f"{text} {{prompt}}"}
    deliver(
        world, preset, key="in/x/cat.tar.png", prompt=" a cat ",
        style="%E6%BC%AB%E7%94%BB", x_2="two", seed="7",
    )  # fmt: skip

    assert f"{made} a cat" == sent(world)["prompt"]


def test_no_second_expansion(world: World) -> None:
    """Placeholders inside a value are not expanded."""
    deliver(world, {"prompt": "{style}: {prompt}"}, prompt="a {stem} {{cat}} {", style="{prompt}")

    assert "{prompt}: a {stem} {{cat}} {" == sent(world)["prompt"]


def test_wrapped_prompt(
    world: World,
) -> None:
    """A prompt with {prompt} in it wraps the object's own; another one gives way to it."""
    deliver(world, {"prompt": "{prompt}, oil painting"}, prompt="a cat")
    deliver(world, {"prompt": "an oil painting"}, prompt="a dog")

    assert ["a cat, oil painting", "a dog"] == [b["ReqJson"]["prompt"] for b in world.cloud.bodies]


def test_wrapped_default(world: World) -> None:
    """The default prompt is wrapped if the object has none."""
    world.environment["REPAINT_DEFAULT_PROMPT"] = "a portrait"
    deliver(world, {"prompt": "{prompt}, oil painting"})

    assert "a portrait, oil painting" == sent(world)["prompt"]


def test_nothing_to_wrap(world: World) -> None:
    """An object without a prompt to wrap is skipped."""
    result = deliver(world, {"prompt": "{prompt} in {style}", "output": "{style}.png"}, prompt=" ")

    assert ("skipped", True) == (result.status, "There is no prompt" in result.reason)


@pytest.mark.parametrize("style", [None, "%20"])
def test_missing_metadata(world: World, style: str | None) -> None:
    """A missing metadata key is reported with the preset's prefix."""
    given = {} if style is None else {"style": style}
    result = deliver(world, {"prompt": "a cat in {style}", "output": "{number}.png"}, **given)

    assert "rejected" == result.status
    assert result.reason == (
        "The preset for 'in/' needs x-tos-meta-style for its prompt, and there is none. "
        "The preset for 'in/' needs x-tos-meta-number for its output, and there is none."
    )
    assert [] == world.cloud.charges


def test_unused_placeholders(world: World) -> None:
    """A preset's text that gives way needs no metadata."""
    preset = {"prompt": "a cat in {style}", "output": "{style}.png"}
    result = deliver(world, preset, prompt="a dog", output="mine.png")

    assert "generated" == result.status
    assert ("a dog", ["repaint/mine.png"]) == (sent(world)["prompt"], sent(world)["Outputs"])


def test_own_keys(world: World) -> None:
    """Metadata keys of a user's own do not make an upload new."""
    first = deliver(world, {"prompt": "a cat in {style}"}, style="oil")
    second = deliver(world, {"prompt": "a cat in {style}"}, style="ink")

    assert ("generated", "duplicate") == (first.status, second.status)
    assert first.record == second.record


# What else they say


def test_output_pattern(world: World) -> None:
    """A pattern gives the output its name."""
    deliver(world, {"output": "{style}/{stem}-art.png"}, prompt="a cat", style="oil")

    assert ["repaint/oil/cat-art.png"] == sent(world)["Outputs"]


@pytest.mark.parametrize(
    ("style", "reason"),
    [
        ("oil painting", "it has a space or a control character."),
        ("a~b", "it has '~'"),
        ("x" * 200, "are allowed."),
        ("a/", "has it doubled."),
    ],
)
def test_invalid_output(world: World, style: str, reason: str) -> None:
    """An upload is rejected if the pattern gives its output no valid name."""
    result = deliver(world, {"output": "{style}/{stem}"}, prompt="a cat", style=style)

    assert "rejected" == result.status
    assert f"The preset for 'in/' makes the output '{style[:57]}" in result.reason
    assert "of '{style}/{stem}': with its prefix 'repaint/' it " in result.reason
    assert reason in result.reason
    assert [] == world.cloud.charges


def test_logo(world: World) -> None:
    """A logo is added unless the object's metadata says otherwise."""
    logo = {"logo_text_content": "© me", "position": 2}
    deliver(world, {"logo": logo}, prompt="a cat")
    deliver(world, {"logo": logo}, prompt="x", req_json='{"logo_info": {"add_logo": false}}')

    assert [{"add_logo": True, **logo}, {"add_logo": False}] == [
        body["ReqJson"]["logo_info"] for body in world.cloud.bodies
    ]


def test_model(world: World) -> None:
    """A model is called with its action and version."""
    model = {"req_key": "byteedit_v2.0", "action": "ByteEdit", "version": "2025-01-01"}
    deliver(world, {"model": model, "req_json": {"strength": 0.5}}, prompt="a cat")

    (body,) = world.cloud.bodies
    assert ("ByteEdit", "2025-01-01") == (body["ModelAction"], body["ModelVersion"])
    assert ("byteedit_v2.0", 0.5) == (body["ReqJson"]["req_key"], body["ReqJson"]["strength"])
