"""The READMEs say what is so, and both the same."""

import re
from pathlib import Path

import pytest

from shared.config import Settings
from shared.metadata import KEYS
from tests import readme

ENGLISH, CHINESE = ((readme.ROOT / name).read_text("utf-8") for name in readme.FILES)
CREDENTIALS = {
    "VOLCENGINE_ACCESS_KEY",
    "VOLCENGINE_SECRET_KEY",
    "VOLCENGINE_SESSION_TOKEN",
}


def commands(text: str) -> list[str]:
    blocks: list[str] = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def first_cells(text: str) -> list[str]:
    return [
        name
        for row in re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", row)
    ]


@pytest.mark.parametrize("command", sorted(readme.blocks(ENGLISH)))
def test_shown_output_is_what_the_command_prints(command: str, tmp_path: Path) -> None:
    assert readme.steady(readme.blocks(ENGLISH)[command]) == readme.steady(
        readme.produce(command, tmp_path)
    )


def test_both_languages_show_the_same_commands_and_output() -> None:
    assert commands(ENGLISH) == commands(CHINESE)
    assert readme.blocks(ENGLISH) == readme.blocks(CHINESE)


def test_both_languages_name_the_same_settings_keys_and_events() -> None:
    assert first_cells(ENGLISH) == first_cells(CHINESE)


def test_every_setting_and_every_metadata_key_is_explained_and_nothing_else() -> None:
    cells = first_cells(ENGLISH)
    settings = {name for name in cells if re.fullmatch(r"[A-Z][A-Z_]+", name)}
    known = {field.alias for field in Settings.model_fields.values()} | CREDENTIALS

    assert settings == known
    assert set(KEYS) <= set(cells)


def test_the_links_of_both_readmes_lead_somewhere() -> None:
    for text in (ENGLISH, CHINESE):
        for link in re.findall(r"\]\(([^)#]+)\)", text):
            assert (readme.ROOT / link).exists(), link
