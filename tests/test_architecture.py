"""docs/architecture.md and docs/guarantees.md describe the code as it is, in both languages."""

import re
from pathlib import Path

import pytest

from shared.clients.imagex_errors import Verdict
from shared.ledger import Cause, State, Status

ROOT = Path(__file__).parents[1]
ENGLISH = (ROOT / "docs/architecture.md").read_text("utf-8")
CHINESE = (ROOT / "docs/architecture.zh-CN.md").read_text("utf-8")
GUARANTEES = [
    (ROOT / name).read_text("utf-8") for name in ("docs/guarantees.md", "docs/guarantees.zh-CN.md")
]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")

in_both_languages = pytest.mark.parametrize("text", [ENGLISH, CHINESE], ids=["english", "chinese"])


def first_cells(text: str) -> list[str]:
    """Return the names in the first column of each table."""
    rows = re.findall(r"^ *\| (`[^|]*) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


def module_map(text: str) -> list[str]:
    """Return the module map's packages, which end in a slash, and modules."""
    (found,) = re.findall(r"<!-- module map -->\n(.*?)<!-- /module map -->", text, re.DOTALL)
    return first_cells(found)


def transitions(text: str) -> list[tuple[str, str]]:
    """Return the arrows of the state diagram."""
    (diagram,) = re.findall(r"```mermaid\nstateDiagram-v2\n(.*?)```", text, re.DOTALL)
    return re.findall(r"^ *(\S+) --> ([^\s:]+)", diagram, re.MULTILINE)


@in_both_languages
def test_module_map(text: str) -> None:
    """The module map names each package and module of `shared/` once, and no other."""
    shared = ROOT / "shared"
    files = [path.relative_to(shared) for path in shared.rglob("*.py")]
    modules = {str(path) for path in files if path.name != "__init__.py"}
    packages = {f"{path.parent}/" for path in files if path.parent != Path()}

    assert sorted(modules | packages) == sorted(module_map(text))


@in_both_languages
def test_statuses(text: str) -> None:
    """The state diagram has the statuses of a record, and those that are ends are its ends."""
    arrows = transitions(text)
    ends = {state.value for state in State if state is not State.PENDING}

    assert {*Status, "[*]"} == {name for arrow in arrows for name in arrow}
    assert {(end, "[*]") for end in ends} == {arrow for arrow in arrows if arrow[0] in ends}


def test_same_transitions() -> None:
    """The state diagram has the same arrows in both languages."""
    assert transitions(ENGLISH) == transitions(CHINESE)


@in_both_languages
def test_tables(text: str) -> None:
    """Each status, cause and verdict is explained."""
    explained = set(first_cells(text))

    assert {*Status, *Cause, *Verdict} <= explained


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, *GUARANTEES, CONTRIBUTING])
def test_paths(text: str) -> None:
    """A file or folder that is named is there; one without its folder is in `shared/`."""
    named = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)*(?:/|\.(?:py|js|yml|toml|md)))`", text))
    inside = [ROOT, ROOT / "shared", ROOT / "local", ROOT / "ops"]

    assert [] == sorted(name for name in named if not any((f / name).exists() for f in inside))


def test_cited_tests() -> None:
    """Each test that the guarantees cite is in its file, and both languages cite the same."""
    english, chinese = (re.findall(r"`(test_\w+)`\]\(\.\./([^)]+)\)", t) for t in GUARANTEES)

    assert english == chinese
    for name, file in english:
        assert f"def {name}(" in (ROOT / file).read_text("utf-8"), f"{file}: {name}"
