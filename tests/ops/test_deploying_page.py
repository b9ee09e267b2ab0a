"""The pages on deploying say what is so, and both the same."""

import re
from pathlib import Path

import pytest

from ops.package.bytecode import find_interpreter
from ops.package.target import target_of
from ops.serverless.rules import RUNTIME
from tests import readme
from tests.ops import deploying_page
from tests.ops.command import ROOT

ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in deploying_page.FILES)


def commands(text: str) -> list[str]:
    blocks: list[str] = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.skipif(
    find_interpreter(target_of(RUNTIME)) is None, reason=f"no {target_of(RUNTIME)} to run zips"
)
def test_shown_output_is_what_the_commands_print_one_after_the_other(tmp_path: Path) -> None:
    shown = readme.blocks(ENGLISH)

    printed = deploying_page.produce(tmp_path, list(shown))

    steady = deploying_page.steady
    assert {command: steady(text) for command, text in shown.items()} == {
        command: steady(text) for command, text in printed.items()
    }


def test_every_shown_output_stands_below_its_command() -> None:
    assert set(readme.blocks(ENGLISH)) <= set(commands(ENGLISH))


def test_both_languages_show_the_same_commands_and_output() -> None:
    assert commands(ENGLISH) == commands(CHINESE)
    assert readme.blocks(ENGLISH) == readme.blocks(CHINESE)


def test_the_links_of_both_pages_lead_somewhere() -> None:
    for text in (ENGLISH, CHINESE):
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (ROOT / "docs" / link).exists(), link
