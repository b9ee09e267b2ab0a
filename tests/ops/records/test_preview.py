"""`repaint preview`, and the options and help of every command."""

import json
from pathlib import Path

import pytest

from tests.ops.command import ROOT, document, repaint

CAT = str(ROOT / "examples" / "images" / "chelsea.png")
SETTINGS = {
    "VEIMAGEX_SERVICE_ID": "service",
    "VEIMAGEX_DOMAIN": "img.example.com",
    "VEIMAGEX_TEMPLATE": "tplv-service-x.image",
    "REPAINT_LEDGER": "tos://state/ledger/",
}


def test_call() -> None:
    """The call that would be sent is shown."""
    done = repaint(
        "preview", CAT, "--prompt", "水彩", "--meta", "seed=7", "--json", settings=SETTINGS
    )

    assert (0, "") == (done.returncode, done.stderr)
    shown = document(done)
    (call,) = shown["calls"]
    body = call["body"]
    assert "水彩" == shown["prompt"] == body["ReqJson"]["prompt"]
    assert (7, 1) == (body["ReqJson"]["seed"], call["variant"])
    assert [call["output"]] == body["Outputs"]
    assert f"repaint/{call['record']}-1" == call["output"]


def test_preset() -> None:
    """The preset that applies is shown."""
    presets = json.dumps([{"prefix": "uploads/art/", "prompt": "油画", "steps": 9}])

    done = repaint(
        "preview",
        CAT,
        "--key",
        "uploads/art/cat.png",
        settings={**SETTINGS, "REPAINT_PRESETS": presets},
    )

    assert 0 == done.returncode
    assert 'preset   {"prefix": "uploads/art/", "prompt": "油画", "steps": 9}' in done.stdout
    assert "prompt   油画" in done.stdout
    assert "seed     drawn by the model" in done.stdout
    assert '"ddim_step": 9' in done.stdout


def test_variants() -> None:
    """Placeholders are filled in, and every variant is shown."""
    preset = {
        "prefix": "uploads/",
        "prompt": "{prompt} in {style}",
        "output": "{stem}-art.png",
        "variants": 3,
    }
    command = ("preview", CAT, "--prompt", "a cat", "--meta", "style=oil", "--meta", "seed=7")
    settings = {**SETTINGS, "REPAINT_PRESETS": json.dumps([preset])}

    shown = document(repaint(*command, "--json", settings=settings))
    printed = repaint(*command, settings=settings).stdout

    assert (preset, "a cat in oil") == (shown["preset"], shown["prompt"])
    assert [
        (1, "repaint/chelsea-art.png", 7),
        (2, "repaint/chelsea-art-2.png", 8),
        (3, "repaint/chelsea-art-3.png", 9),
    ] == [
        (call["variant"], call["output"], call["body"]["ReqJson"]["seed"])
        for call in shown["calls"]
    ]
    assert 3 == len({call["record"] for call in shown["calls"]})
    assert "prompt   a cat in oil" in printed
    assert "variant  3 of 3" in printed
    assert "output   repaint/chelsea-art-3.png" in printed
    assert "body     of GetCVImageGenerateResult, for variant 1" in printed


def test_example_presets(tmp_path: Path) -> None:
    """The example of a presets file is valid."""
    # A relative path begins where `shared/` lies, wherever the command is run.
    settings = {**SETTINGS, "REPAINT_PRESETS": "examples/presets.json"}

    done = repaint(
        "preview", CAT, "--key", "uploads/products/a.png", "--meta", "product=杯子",
        "--json", folder=tmp_path, settings=settings,
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    assert "杯子 的产品照片，纯白背景" == document(done)["prompt"]


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        ([], "skipped", "There is no prompt"),
        (["--prompt", "x", "--meta", "seed=abc"], "rejected", "x-tos-meta-seed is 'abc'"),
        (["--prompt", "x", "--key", "uploads/cat.gif"], "rejected", "'image/gif'"),
        (["--key", "in/cat.png", "--prompt", "x"], "rejected", "'in/' needs x-tos-meta-style"),
    ],
)
def test_not_sent(arguments: list[str], status: str, reason: str) -> None:
    """The reason is shown why nothing would be sent."""
    presets = json.dumps([{"prefix": "in/", "output": "{style}.png"}])
    settings = {**SETTINGS, "REPAINT_PRESETS": presets}
    shown = repaint("preview", CAT, *arguments, settings=settings)
    as_json = repaint("preview", CAT, *arguments, "--json", settings=settings)

    assert [1, 1] == [shown.returncode, as_json.returncode]
    assert reason in shown.stdout
    assert (status, True) == (
        document(as_json)["status"],
        reason in document(as_json)["reasons"][0],
    )


def test_missing_settings(tmp_path: Path) -> None:
    """All missing settings are reported at once."""
    done = repaint("preview", CAT, folder=tmp_path)

    assert (2, "") == (done.returncode, done.stdout)
    assert "4 settings" in done.stderr


def test_wrong_meta() -> None:
    """Metadata that is no pair is refused."""
    done = repaint("preview", CAT, "--meta", "seed", settings=SETTINGS)

    assert (2, "--meta 'seed' is not name=value.\n") == (done.returncode, done.stderr)


def test_no_local_cloud(tmp_path: Path) -> None:
    """Without a local cloud --local says how to start one."""
    done = repaint("--local", "preview", CAT, folder=tmp_path)

    assert 2 == done.returncode
    assert "make local" in done.stderr


def test_help() -> None:
    """Every command has help with an example."""
    listed = repaint("--help").stdout
    commands = [
        line.split()[1] for line in listed.partition("Commands")[2].splitlines() if "│ " in line
    ]

    assert "preview" in commands
    for command in (c for c in commands if c != "│"):
        shown = repaint(command, "--help").stdout
        assert f"repaint {command}" in shown.replace("\n", " ")
        assert "Example:" in shown


def test_width_of_help() -> None:
    """Help is as wide as the terminal."""
    for command, sentence in (
        ((), "the access key from VOLCENGINE_ACCESS_KEY and VOLCENGINE_SECRET_KEY or the SDK's"),
        (("backfill",), "whenever you like, also twice at once: the ledger prevents that"),
    ):
        assert sentence in repaint(*command, "--help", settings={"COLUMNS": "400"}).stdout
