"""The results on disk: JSON for each part, tables, the READMEs' short table, pictures."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.bulk import ideal
from bench.figures import Aim, Figure, shown
from bench.parts import PARTS
from bench.plot import draw_bulk, draw_ratios
from local.cloud import ROOT

# The figures of the READMEs, with their names there.
SHORT = {
    "cold.wall": (
        "cold start, to the first upload handled",
        "冷启动，到第一个上传处理完",
    ),
    "cold.source": (
        "the same without .pyc in the zip",
        "同上，压缩包内没有 .pyc",
    ),
    "zips.packed": (
        "the zip, ours as `repaint package` trims it",
        "压缩包（我们的经 `repaint package` 精简）",
    ),
    "zips.install": (
        "installing its packages",
        "安装依赖包",
    ),
    "warm.requests": (
        "round trips of an upload",
        "一次上传的往返次数",
    ),
    "warm.ledger": (
        "what the ledger adds to 12 s, at 10 ms a round trip",
        "往返 10 毫秒时，账本给 12 秒增加的时间",
    ),
    "repeats.repeated": (
        "round trips of a duplicate delivery",
        "重复投递的往返次数",
    ),
    "repeats.repeated_charges": (
        "generations paid for by a duplicate delivery",
        "重复投递导致的付费生成次数",
    ),
    "calm.time": (
        "500 uploads, 20 a second and 3 s each: all done",
        "500 次上传，每秒 20 次、每次 3 秒：全部完成",
    ),
    "hard.paid_again": (
        "paid for again, of 250 uploads, 10 % of them delivered twice, 7 % of the calls cut off",
        "250 次上传中再次付费（10% 重复投递，7% 的调用中断）",
    ),
    "brief.lost": (
        "lost, of 500 uploads, with retries a second apart",
        "重试间隔 1 秒时，500 次上传中丢失",
    ),
    "memory.flight": (
        "memory of a delivery in flight",
        "每个进行中的投递占用内存",
    ),
}
DRAWN = {
    "cold.wall": "cold start",
    "cold.source": "cold start without .pyc",
    "zips.packed": "zip",
    "zips.install": "installing",
    "memory.flight": "a delivery in flight",
    "warm.cpu": "CPU time of a delivery",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One part's figures, with their date, machine and command."""

    part: str
    date: str
    machine: str
    command: str
    figures: tuple[Figure, ...]

    @property
    def provenance(self) -> str:
        """Return the figures' origin in one line."""
        return f"`{self.command}`, {self.date}, {self.machine}"

    def save(self, folder: Path) -> None:
        """Write it to `<folder>/<part>.json`, over an earlier one."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), ensure_ascii=False, indent=1)
        (folder / f"{self.part}.json").write_text(text + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path, part: str) -> "Measured | None":
        """Return the saved results, None if there are none."""
        path = folder / f"{part}.json"
        if not path.exists():
            return None
        document = json.loads(path.read_text("utf-8"))
        return cls(**{**document, "figures": tuple(map(_figure, document["figures"]))})


def _figure(document: Mapping[str, Any]) -> Figure:
    aim = document["aim"]
    return Figure(
        **{
            **document,
            "ours": tuple(document["ours"]),
            "theirs": tuple(document["theirs"]),
            "aim": Aim(**aim) if aim else None,
        }
    )


def write(measured: Mapping[str, Measured], root: Path = ROOT) -> None:
    """Write docs/bench.md, the pictures and the READMEs' tables from what was measured so far."""
    figures = {figure.key: figure for each in measured.values() for figure in each.figures}
    for name, each in measured.items():
        text = f"{each.provenance}\n\n{table(each.figures, PARTS[name].beside)}"
        put_between(root / "docs" / "bench.md", f"bench: {name}", text)
    provenance = " · ".join(dict.fromkeys(each.provenance for each in measured.values()))
    for name in ("README.md", "README.zh-CN.md"):
        text = short_table(figures, chinese="zh" in name)
        put_between(root / name, "bench", f"{provenance}\n\n{text}")
    drawn = [(name, figures[key]) for key, name in DRAWN.items() if key in figures]
    if drawn:
        draw_ratios(drawn, root / "docs" / "bench.svg")
    moments = figures.get("calm.moments")
    if moments:
        images = {"Repaint": moments.ours, "alternative": moments.theirs}
        steady = ideal(0), ideal(len(moments.ours))
        draw_bulk(images, steady, root / "docs" / "bench-bulk.svg")


def table(figures: Iterable[Figure], beside: str) -> str:
    """Return figures as a Markdown table; `beside` heads the column of the other samples."""
    lines = [f"| | Repaint | {beside} | ratio | aim |", "|---|---:|---:|---:|---:|"]
    for figure in figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        cells = (
            figure.what,
            shown(figure.ours, figure.unit),
            shown(figure.theirs, figure.unit),
            ratio,
            _aim(figure),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def short_table(figures: Mapping[str, Figure], *, chinese: bool = False) -> str:
    """Return the READMEs' table, with those of its figures that were measured."""
    heads = (
        ("", "Repaint", "普通做法", "比值")
        if chinese
        else ("", "Repaint", "the alternative", "ratio")
    )
    lines = [f"| {' | '.join(heads)} |".replace("|  |", "| |"), "|---|---:|---:|---:|"]
    for key, names in SHORT.items():
        if key in figures:
            figure = figures[key]
            ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
            cells = (
                names[chinese],
                shown(figure.ours, figure.unit),
                shown(figure.theirs, figure.unit),
                ratio,
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def put_between(path: Path, name: str, text: str) -> None:
    """Put `text` between a file's markers `<!-- name -->` and `<!-- /name -->`, if it has them."""
    head, tail = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    before, found, rest = path.read_text("utf-8").partition(head)
    _, closed, after = rest.partition(tail)
    if found and closed:
        path.write_text(f"{before}{head}{text}\n{tail}{after}", "utf-8")


def _aim(figure: Figure) -> str:
    if figure.aim is None:
        return ""
    of = " ×" if figure.aim.of == "ratio" else f" {figure.unit}".rstrip()
    wanted = f"≤ {figure.aim.at_most:g}{of}"
    return wanted if figure.is_met else f"{wanted}: **missed**"
