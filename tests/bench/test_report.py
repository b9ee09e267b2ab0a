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


def test_what_was_measured_is_read_again_as_it_was(tmp_path: Path) -> None:
    kept = measured("cold", WALL, LEDGER)
    kept.save(tmp_path / "results")

    assert kept == Measured.load(tmp_path / "results", "cold")
    assert Measured.load(tmp_path / "results", "warm") is None


def test_a_table_says_what_is_missed() -> None:
    assert [
        "| | Repaint | alternative | ratio | aim |",
        "|---|---:|---:|---:|---:|",
        "| the first upload | 151 (150–152) ms | 200 ms | 0.76 | ≤ 0.8 × |",
        "| its CPU time | 199 ms | 200 ms | 0.99 | ≤ 0.8 ×: **missed** |",
        "| the ledger adds | 0.500 % |  |  | ≤ 1 % |",
    ] == table([WALL, CPU, LEDGER], "alternative").splitlines()


def test_the_readmes_get_what_there_is_of_their_rows_in_their_language() -> None:
    figures = {each.key: each for each in (LEDGER, CPU, WALL)}
    english, chinese = short_table(figures), short_table(figures, chinese=True)

    assert [line.split("|")[2:] for line in english.splitlines()[2:]] == [
        line.split("|")[2:] for line in chinese.splitlines()[2:]
    ]
    assert 4 == len(english.splitlines())
    assert "cold start, to the first upload handled | 151 (150–152) ms | 200 ms | 0.76" in english
    assert "冷启动" in chinese


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter <!-- /a -->\n", "utf-8")
    put_between(page, "a", "new")
    put_between(page, "b", "of no use")

    assert "before\n<!-- a -->\nnew\n<!-- /a -->\nafter <!-- /a -->\n" == page.read_text("utf-8")


def test_the_page_the_readmes_and_the_pictures_are_written(tmp_path: Path) -> None:
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


def test_every_part_has_its_place_on_the_page() -> None:
    page = (ROOT / "docs" / "bench.md").read_text("utf-8")

    for part in PARTS:
        assert 1 == page.count(f"<!-- bench: {part} -->"), part
        assert 1 == page.count(f"<!-- /bench: {part} -->"), part
