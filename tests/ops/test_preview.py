"""`repaint preview`, and what holds for every command."""

import json
from pathlib import Path

import pytest

from tests.ops.command import ROOT, document, repaint

CAT = str(ROOT / "examples" / "images" / "chelsea.png")
SETTINGS = {
    "VEIMAGEX_SERVICE_ID": "service",
    "VEIMAGEX_DOMAIN": "img.example.com",
    "VEIMAGEX_TEMPLATE": "tplv-service-x.image",
}


def test_it_shows_the_call_that_would_be_made() -> None:
    done = repaint(
        "preview", CAT, "--prompt", "水彩", "--meta", "seed=7", "--json", settings=SETTINGS
    )

    assert (0, "") == (done.returncode, done.stderr)
    shown = document(done)
    body = shown["body"]
    assert ("水彩", 7) == (body["ReqJson"]["prompt"], body["ReqJson"]["seed"])
    assert [shown["output"]] == body["Outputs"]
    assert f"repaint/{shown['record']}-1" == shown["output"]


def test_it_tells_which_preset_applies() -> None:
    presets = json.dumps([{"prefix": "uploads/art/", "prompt": "油画", "steps": 9}])

    done = repaint(
        "preview",
        CAT,
        "--key",
        "uploads/art/cat.png",
        settings={**SETTINGS, "REPAINT_PRESETS": presets},
    )

    assert 0 == done.returncode
    assert "preset   'uploads/art/'" in done.stdout
    assert '"ddim_step": 9' in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        ([], "skipped", "There is no prompt"),
        (["--prompt", "x", "--meta", "seed=abc"], "rejected", "x-tos-meta-seed is 'abc'"),
        (["--prompt", "x", "--key", "uploads/cat.gif"], "rejected", "'image/gif'"),
    ],
)
def test_what_would_not_be_sent_says_why(arguments: list[str], status: str, reason: str) -> None:
    shown = repaint("preview", CAT, *arguments, settings=SETTINGS)
    as_json = repaint("preview", CAT, *arguments, "--json", settings=SETTINGS)

    assert [1, 1] == [shown.returncode, as_json.returncode]
    assert reason in shown.stdout
    assert (status, True) == (
        document(as_json)["status"],
        reason in document(as_json)["reasons"][0],
    )


def test_settings_that_are_missing_are_told_together(tmp_path: Path) -> None:
    done = repaint("preview", CAT, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert "3 setting(s) to mend" in done.stderr


def test_metadata_that_is_no_pair_is_told() -> None:
    done = repaint("preview", CAT, "--meta", "seed", settings=SETTINGS)

    assert (2, "--meta 'seed' is not name=value.\n") == (done.returncode, done.stderr)


def test_without_a_local_cloud_local_says_how_to_start_one(tmp_path: Path) -> None:
    done = repaint("--local", "preview", CAT, folder=tmp_path)

    assert 2 == done.returncode
    assert "make local" in done.stderr


def test_every_command_has_help_with_an_example() -> None:
    listed = repaint("--help").stdout
    commands = [
        line.split()[1] for line in listed.partition("Commands")[2].splitlines() if "│ " in line
    ]

    assert "preview" in commands
    for command in (c for c in commands if c != "│"):
        told = repaint(command, "--help").stdout
        assert f"repaint {command}" in told.replace("\n", " ")
        assert "Example:" in told
