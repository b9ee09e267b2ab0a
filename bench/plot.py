"""The figures as pictures: SVG for light and dark backgrounds, without a script."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pygal
from pygal.style import Style

from bench.figures import Figure, Samples, number

# pygal leaves a finder of its own plugins behind, of a kind that Python no longer uses.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

_COLOURS = (
    "inline:svg{--ink:#1f2328;--guide:#d1d9e0;--ours:#0969da;--theirs:#bc4c00;--ideal:#818b98}"
    "@media (prefers-color-scheme:dark){svg{--ink:#f0f6fc;--guide:#3d444d;--ours:#4493f8;"
    "--theirs:#f0883e;--ideal:#9198a1}}"
    ".series .line{stroke-width:2.5px!important}"
)
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="var(--ink)",
    foreground_strong="var(--ink)",
    foreground_subtle="var(--ink)",
    guide_stroke_color="var(--guide)",
    major_guide_stroke_color="var(--guide)",
    guide_stroke_dasharray="none",
    major_guide_stroke_dasharray="none",
    colors=("var(--ours)", "var(--theirs)", "var(--ideal)"),
    opacity="1",
    opacity_hover="1",
    font_family="system-ui, sans-serif",
    title_font_size=14,
    label_font_size=12,
    major_label_font_size=12,
    legend_font_size=12,
)
_COMMON: dict[str, Any] = {
    "css": ("file://style.css", "file://graph.css", _COLOURS),
    "js": (),
    "style": _STYLE,
    "width": 800,
}


def draw_ratios(rows: Sequence[tuple[str, Figure]], path: Path) -> None:
    """Draw each figure as a share of the alternative's."""
    chart = pygal.HorizontalBar(
        **_COMMON,
        height=84 + 30 * len(rows),
        title="Repaint, in per cent of the alternative",
        show_legend=False,
    )
    # pygal draws from below.
    chart.x_labels = [f"{name}: {_beside(figure)}" for name, figure in reversed(rows)]
    chart.add("", [100 * (figure.ratio or 0.0) for _, figure in reversed(rows)])
    _write(chart, path)


def draw_bulk(moments: Mapping[str, Samples], steady: tuple[float, float], path: Path) -> None:
    """Draw the number of images over time.

    `steady` has the seconds until the first and the last image at a steady rate.
    """
    uploads = max(len(samples) for samples in moments.values())
    chart = pygal.XY(
        **_COMMON,
        height=320,
        title=f"{uploads} uploads: images made, over seconds",
        show_dots=False,
        xrange=(0, max(samples[-1] for samples in moments.values())),
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
    )
    for name, samples in moments.items():
        chart.add(name, [(moment, n) for n, moment in enumerate(sorted(samples), start=1)])
    dashed = {"dasharray": "2, 8", "linecap": "round"}
    chart.add("a steady rate", [(steady[0], 0), (steady[1], uploads)], stroke_style=dashed)
    _write(chart, path)


def _beside(figure: Figure) -> str:
    return f"{number(figure.value)} / {number(median(figure.theirs))} {figure.unit}".rstrip()


def _write(chart: Any, path: Path) -> None:
    chart.uuid = path.stem  # otherwise random: the same figures have to give the same picture
    text = chart.render(is_unicode=True)
    # Settings of the script that is left out.
    path.write_text(re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL), "utf-8")
