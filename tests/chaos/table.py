"""The counts of a run, as a Markdown table and in both READMEs."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from local.cloud import ROOT
from tests.chaos.judge import Tally
from tests.chaos.plan import Store

READMES = ("README.md", "README.zh-CN.md")


def _share(part: str, whole: str, form: str) -> Callable[[Counter[str]], str]:
    return lambda counts: format(counts[part] / counts[whole] if counts[whole] else 0.0, form)


def _count(name: str) -> Callable[[Counter[str]], str]:
    return lambda counts: f"{counts[name]:,}"


ROWS: tuple[tuple[str, str, Callable[[Counter[str]], str]], ...] = (
    ("uploads", "上传", _count("uploads")),
    ("generated", "已生成", _count("generated")),
    ("rejected", "被拒绝", _count("rejected")),
    ("superseded or skipped", "被覆盖或跳过", lambda c: f"{c['superseded'] + c['skipped']:,}"),
    ("parked in doubt", "存疑搁置", _count("parked")),
    ("**lost**", "**丢失**", _count("lost")),
    ("charges", "扣费", _count("charges")),
    ("charges per generated image", "每张生成图的扣费", _share("charges", "generated", ".4f")),
    ("explained: nothing was stored", "可解释：未存图", _count("nothing stored")),
    ("explained: stored after the settle time", "可解释：逾时才存图", _count("too late")),
    ("explained: of what is in doubt", "可解释：属存疑搁置者", _count("in doubt")),
    ("**charges that no rule explains**", "**无规则可解释的扣费**", _count("unexplained")),
    ("recovered by a probe, not paid again", "查找到，未再付费", _count("recovered")),
    ("paid calls sent", "发出的付费调用", _count("calls")),
    ("of these refused by the rate limit", "其中因频率被拒", _share("refused", "calls", ".1%")),
    ("deliveries that the platform dropped", "平台丢弃的投递", _count("dropped")),
    ("workers killed", "被杀死的进程", _count("kills")),
    ("seconds", "秒", _count("seconds")),
)


def table(tallies: dict[Store, Tally], *, chinese: bool = False) -> str:
    """Return the tallies as a Markdown table."""
    head = "账本" if chinese else "ledger"
    lines = [f"| {head} | " + " | ".join(tallies) + " |", "|---|" + "---:|" * len(tallies)]
    for english, translated, value in ROWS:
        values = " | ".join(value(tally.counts) for tally in tallies.values())
        lines.append(f"| {translated if chinese else english} | {values} |")
    return "\n".join(lines)


def write_readmes(tallies: dict[Store, Tally], command: str, folder: Path = ROOT) -> None:
    """Put the table between the markers of each README in `folder` that has them."""
    head, tail = "<!-- chaos -->\n", "<!-- /chaos -->"
    date = datetime.now(UTC).date().isoformat()
    for name in READMES:
        path = folder / name
        before, found, rest = path.read_text("utf-8").partition(head)
        _, closed, after = rest.partition(tail)
        if found and closed:
            text = table(tallies, chinese="zh" in name)
            path.write_text(
                f"{before}{head}`{command}`, {date}:\n\n{text}\n{tail}{after}", encoding="utf-8"
            )
