"""Results are saved, and written between the markers of the pages."""

import xml.etree.ElementTree as ET
from pathlib import Path

from bench.figures import Aim, Figure
from bench.parts import PARTS
from bench.report import Measured, put_between, short_table, table, write
from local.cloud import ROOT

WALL = Figure("cold.wall", "the first upload", "ms", (150.0, 152.0), (200.0,), Aim(0.8, "ratio"))
CPU = Figure("cold.cpu", "its CPU time", "ms", (199.0,), (200.0,), Aim(0.8, "ratio"))
LEDGER = Figure("warm.ledger", "the ledger adds", "%", (0.5,), (), Aim(1.0))
MOMENTS = Figure("calm.moments", "an image", "s", (3.0, 4.0, 5.0), (2.0, 9.0))
DATE, MACHINE = "2026-11-25", "2 × a processor"


def measured(part: str, *figures: Figure) -> Measured:
    return Measured(part, DATE, MACHINE, "python -m bench", figures)


def test_save_and_load(tmp_path: Path) -> None:
    """Results are loaded as they were saved."""
    kept = measured("cold", WALL, LEDGER)
    kept.save(tmp_path / "results")

    assert kept == Measured.load(tmp_path / "results", "cold")
    assert Measured.load(tmp_path / "results", "warm") is None


def test_table() -> None:
    """A table marks aims that are missed."""
    assert [
        "| | Repaint | alternative | ratio | aim |",
        "|---|---:|---:|---:|---:|",
        "| the first upload | 151 (150–152) ms | 200 ms | 0.76 | ≤ 0.8 × |",
        "| its CPU time | 199 ms | 200 ms | 0.99 | ≤ 0.8 ×: **missed** |",
        "| the ledger adds | 0.500 % |  |  | ≤ 1 % |",
    ] == table([WALL, CPU, LEDGER], "alternative").splitlines()


def test_short_table() -> None:
    """The READMEs' table has the measured rows, in each language."""
    figures = {each.key: each for each in (LEDGER, CPU, WALL)}
    english, chinese = short_table(figures), short_table(figures, chinese=True)

    assert [line.split("|")[2:] for line in english.splitlines()[2:]] == [
        line.split("|")[2:] for line in chinese.splitlines()[2:]
    ]
    assert 4 == len(english.splitlines())
    assert "cold start, to the first upload handled | 151 (150–152) ms | 200 ms | 0.76" in english
    assert "冷启动" in chinese


def test_put_between(tmp_path: Path) -> None:
    """Only the text between the markers is replaced."""
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter <!-- /a -->\n", "utf-8")
    put_between(page, "a", "new")
    put_between(page, "b", "of no use")

    assert "before\n<!-- a -->\nnew\n<!-- /a -->\nafter <!-- /a -->\n" == page.read_text("utf-8")


def test_write(tmp_path: Path) -> None:
    """The page, the READMEs and the pictures are written."""
    (tmp_path / "docs").mkdir()
    page = "# Measured\n<!-- bench: cold -->\n<!-- /bench: cold -->\n"
    (tmp_path / "docs" / "bench.md").write_text(page, "utf-8")
    (tmp_path / "README.md").write_text("<!-- bench -->\n<!-- /bench -->\n", "utf-8")
    (tmp_path / "README.zh-CN.md").write_text("没有表格\n", "utf-8")
    write({"cold": measured("cold", WALL), "bulk": measured("bulk", MOMENTS)}, tmp_path)

    provenance = "`python -m bench`, 2026-11-25, 2 × a processor"
    written = (tmp_path / "docs" / "bench.md").read_text("utf-8")
    assert f"<!-- bench: cold -->\n{provenance}\n\n| | Repaint" in written
    readme = (tmp_path / "README.md").read_text("utf-8")
    assert 1 == readme.count(provenance)
    assert "| 0.76 |" in readme
    assert "没有表格\n" == (tmp_path / "README.zh-CN.md").read_text("utf-8")
    for name in ("bench.svg", "bench-bulk.svg"):
        picture = (tmp_path / "docs" / name).read_text("utf-8")
        assert "{http://www.w3.org/2000/svg}svg" == ET.fromstring(picture).tag
        assert "prefers-color-scheme" in picture
        assert "<script" not in picture


def test_markers() -> None:
    """The page has markers for every part."""
    page = (ROOT / "docs" / "bench.md").read_text("utf-8")

    for part in PARTS:
        assert 1 == page.count(f"<!-- bench: {part} -->"), part
        assert 1 == page.count(f"<!-- /bench: {part} -->"), part
