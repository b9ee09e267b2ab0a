"""The pages say what is so, and both languages the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.deployment.package.bytecode import find_interpreter, python_version
from ops.deployment.serverless_yml.model import RUNTIME
from shared.clock import SystemClock
from shared.ledger import Notice, Record
from shared.settings import Settings
from shared.signing import webhook_headers, webhook_key
from shared.uploads.metadata import KEYS
from shared.webhook.event import event_of
from tests import readme
from tests.inbox import SECRET
from tests.readme import DEPLOYING, PAGES, README, ROOT, Page

CREDENTIALS = {
    "VOLCENGINE_ACCESS_KEY",
    "VOLCENGINE_SECRET_KEY",
    "VOLCENGINE_SESSION_TOKEN",
}

of_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.english)


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text: str) -> list[str]:
    return [line for block in fenced(text, "bash") for line in block.splitlines() if line]


def first_cells(text: str) -> list[str]:
    return [
        name
        for row in re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", row)
    ]


def links(page: Page) -> Iterator[tuple[Path, str]]:
    """Yield the file and the heading that each link of a page leads to."""
    for name, text in zip((page.english, page.chinese), page.texts, strict=True):
        for target, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
            file = ROOT / name
            yield (file.parent / target if target else file), heading


def headings(file: Path) -> set[str]:
    """Return the names by which a page's headings are linked to."""
    found = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@of_every_page
def test_shown_output_is_what_the_commands_print(page: Page, tmp_path: Path) -> None:
    if page is DEPLOYING and find_interpreter(python_version(RUNTIME)) is None:
        pytest.skip(f"There is no {RUNTIME} here, on which the page's zips run.")
    printed = page.produce(tmp_path)

    for command, shown in readme.blocks(page.texts[0]).items():
        assert readme.steady(shown) == readme.steady(printed[command])


@pytest.mark.parametrize("page", [p for p in PAGES if p.world], ids=lambda page: page.english)
def test_a_page_tells_its_reader_to_run_what_it_shows_the_output_of(page: Page) -> None:
    english = page.texts[0]

    assert [c for c in commands(english) if c in readme.blocks(english)] == list(
        readme.blocks(english)
    )


@of_every_page
def test_both_languages_show_the_same_commands_code_and_output(page: Page) -> None:
    english, chinese = page.texts

    assert commands(english) == commands(chinese)
    assert fenced(english, "python") == fenced(chinese, "python")
    assert readme.blocks(english) == readme.blocks(chinese)


@of_every_page
def test_both_languages_name_the_same_settings_keys_and_events(page: Page) -> None:
    english, chinese = page.texts

    assert first_cells(english) == first_cells(chinese)


@of_every_page
def test_the_links_of_a_page_lead_somewhere(page: Page) -> None:
    for file, heading in links(page):
        assert file.exists(), file
        assert not heading or heading in headings(file), f"{file}#{heading}"


def test_every_setting_and_every_metadata_key_is_explained_and_nothing_else() -> None:
    cells = first_cells(README.texts[0])
    settings = {name for name in cells if re.fullmatch(r"[A-Z][A-Z_]+", name)}
    known = {field.alias for field in Settings.model_fields.values()} | CREDENTIALS

    assert settings == known
    assert set(KEYS) <= set(cells)


def test_the_receiver_that_is_shown_reads_what_it_is_sent() -> None:
    (code,) = fenced((ROOT / "docs/running.md").read_text("utf-8"), "python")
    record = Record(id="0" * 32, bucket="photos", key="uploads/cat.png", etag="x", state="rejected")
    notice = Notice(
        id="n", record=record.id, type="repaint.image.rejected", created_at=0, due_at=0, tries=1
    )
    body = event_of(notice, record, "/repaint/x")
    headers = webhook_headers(
        message_id=notice.id, body=body, key=webhook_key(SECRET), now=SystemClock().now()
    )
    headers["content-type"] = "application/cloudevents+json"
    read = {"secret": SECRET, "headers": headers, "body": body}

    exec(code, read)

    assert json.loads(body)["data"] == read["event"].get_data()  # type: ignore[attr-defined]
