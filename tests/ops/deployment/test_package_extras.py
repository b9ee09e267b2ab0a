"""package.patterns: what ships beside the code, and what never does."""

from pathlib import Path

import pytest

from ops.deployment.package.contents import extras
from ops.ui.output import Refused
from tests.ops.deployment.packing import write


def test_patterns_name_what_ships_and_what_is_left_out_again(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "presets.json": '[{"prefix": "", "prompt": "Basic watercolour; the secret key is in"}]',
            "data/a/one.json": "1",
            "data/two.json": "2",
            "data/notes.txt": "",
        },
    )

    found = extras(tmp_path, ["presets.json", "data/**/*.json", "!data/two.json"])

    assert {"presets.json", "data/a/one.json"} == found.keys()
    assert b"1" == found["data/a/one.json"]


def test_two_stars_at_the_end_name_every_file_below(tmp_path: Path) -> None:
    write(tmp_path, {"data/a/one.json": "", "data/two.json": "", "other.json": ""})

    assert {"data/a/one.json", "data/two.json"} == extras(tmp_path, ["data/**"]).keys()


def test_a_later_pattern_goes_over_an_earlier_one(tmp_path: Path) -> None:
    write(tmp_path, {"one.json": "", "two.json": ""})

    assert {"one.json", "two.json"} == extras(tmp_path, ["*.json", "!*", "*.json"]).keys()


def test_the_projects_own_address_may_go_up(tmp_path: Path) -> None:
    write(tmp_path, {"project/presets.json": "[]", "here/notes.txt": ""})

    assert {"presets.json"} == extras(tmp_path / "here" / ".." / "project", ["*.json"]).keys()


@pytest.mark.parametrize("pattern", ["presets.jsn", "data", "../*.json", "/etc/passwd", ""])
def test_a_pattern_that_names_nothing_to_pack_is_told(tmp_path: Path, pattern: str) -> None:
    root = tmp_path / "project"
    write(root, {"presets.json": "", "data/one.json": ""})
    write(tmp_path, {"outside.json": ""})

    with pytest.raises(Refused, match=r"package\.patterns: ") as refused:
        extras(root, [pattern])

    assert repr(pattern) in str(refused.value)


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.production",
        "prod.env",
        ".aws/config",
        ".git/HEAD",
        "credentials.json",
        "data/Secrets.yml",
        "id_ed25519",
        "tls/server.key",
    ],
)
def test_what_has_the_name_of_a_secret_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, {name: "harmless"})

    with pytest.raises(Refused, match="name is that of a hidden file or of a secret") as refused:
        extras(tmp_path, ["**/*"])

    assert f"'!{name}'" in str(refused.value)
    assert {} == extras(tmp_path, ["**/*", f"!{name}"])


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMII",
        '{"ak": "AKLTYzE5MzA2NjVkNGE4"}',
        '{"secret_access_key": "hunter2"}',
        "VOLCENGINE_SECRET_KEY=hunter2",
        "secretKey: hunter2",
    ],
)
def test_what_holds_a_key_is_refused_and_the_key_not_shown(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"settings.txt": text})

    with pytest.raises(Refused, match=r"settings\.txt does not ship") as refused:
        extras(tmp_path, ["settings.txt"])

    assert "hunter2" not in str(refused.value)


def test_a_link_ships_what_it_leads_to_unless_that_is_elsewhere_or_a_secret(
    tmp_path: Path,
) -> None:
    root = tmp_path / "project"
    write(root, {"presets/prod.json": "[]", ".env": "x"})
    write(tmp_path, {"outside.json": "x"})
    (root / "presets.json").symlink_to("presets/prod.json")
    (root / "plain.json").symlink_to(".env")
    (root / "other.json").symlink_to(tmp_path / "outside.json")

    assert {"presets.json": b"[]"} == extras(root, ["presets.json"])
    with pytest.raises(Refused, match=r"plain\.json does not ship"):
        extras(root, ["plain.json"])
    with pytest.raises(Refused, match=r"other\.json is a link to a file outside"):
        extras(root, ["other.json"])
