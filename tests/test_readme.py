"""The pages show what the commands print, and both languages show the same."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.deployment.package.bytecode import find_interpreter, python_version
from ops.deployment.serverless_yml.model import RUNTIME
from shared.clock import SystemClock
from shared.ledger import OutboxEntry, Record, Source, State
from shared.settings import Settings
from shared.signing import webhook_headers, webhook_key
from shared.uploads.metadata import KEYS
from shared.webhook.sender import event_of
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
def test_output(page: Page, tmp_path: Path) -> None:
    """The shown output is what the commands print."""
    if page is DEPLOYING and find_interpreter(python_version(RUNTIME)) is None:
        pytest.skip(f"There is no {RUNTIME} here, on which the page's zips run.")
    printed = page.produce(tmp_path)

    for command, shown in readme.blocks(page.texts[0]).items():
        assert readme.steady(shown) == readme.steady(printed[command])


@pytest.mark.parametrize("page", [p for p in PAGES if p.setup], ids=lambda page: page.english)
def test_commands_shown(page: Page) -> None:
    """A page shows the command of each output block."""
    english = page.texts[0]

    assert [c for c in commands(english) if c in readme.blocks(english)] == list(
        readme.blocks(english)
    )


@of_every_page
def test_same_commands(page: Page) -> None:
    """Both languages show the same commands, code and output."""
    english, chinese = page.texts

    assert commands(english) == commands(chinese)
    assert fenced(english, "python") == fenced(chinese, "python")
    assert readme.blocks(english) == readme.blocks(chinese)


@of_every_page
def test_same_names(page: Page) -> None:
    """Both languages name the same settings, keys and events."""
    english, chinese = page.texts

    assert first_cells(english) == first_cells(chinese)


@of_every_page
def test_links(page: Page) -> None:
    """Every link of a page has a target."""
    for file, heading in links(page):
        assert file.exists(), file
        assert not heading or heading in headings(file), f"{file}#{heading}"


def test_settings_explained() -> None:
    """The README explains every setting and metadata key, and no other."""
    cells = first_cells(README.texts[0])
    settings = {name for name in cells if re.fullmatch(r"[A-Z][A-Z_]+", name)}
    known = {field.alias for field in Settings.model_fields.values()} | CREDENTIALS

    assert settings == known
    assert set(KEYS) <= set(cells)


def test_endpoint_example() -> None:
    """The shown endpoint reads the event that it gets."""
    (code,) = fenced((ROOT / "docs/running.md").read_text("utf-8"), "python")
    source = Source(bucket="photos", key="uploads/cat.png", etag="x")
    record = Record(id="0" * 32, source=source, state=State.REJECTED)
    entry = OutboxEntry(
        id="n", record=record.id, type="repaint.image.rejected", created_at=0, due_at=0, tries=1
    )
    body = event_of(entry, record, "/repaint/x")
    headers = webhook_headers(
        message_id=entry.id, body=body, key=webhook_key(SECRET), now=SystemClock().now()
    )
    headers["content-type"] = "application/cloudevents+json"
    names = {"secret": SECRET, "headers": headers, "body": body}

    exec(code, names)

    assert json.loads(body)["data"] == names["event"].get_data()  # type: ignore[attr-defined]
