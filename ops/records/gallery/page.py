"""The page: one HTML file, written card by card, that loads nothing from outside."""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit

from ops.records.gallery.pictures import Picture
from ops.records.render import local_time, source_of
from ops.ui.output import printable
from shared.ledger import Record

_STYLE = Path(__file__).with_name("page.css").read_text("utf-8")
_SCRIPT = Path(__file__).with_name("page.js").read_text("utf-8")

Card = tuple[Record, Picture, Picture]


def write_page(
    file: TextIO, cards: Iterable[Card], *, number: int, ledger: str, now: float
) -> None:
    """Write the page of `number` cards, one at a time."""
    title = f"{number:,} repainted picture{'' if number == 1 else 's'}"
    file.write(
        f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title} · Repaint</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
<header><h1>{title}</h1><p>The newest of {_text(ledger)}, at {_time(now)}</p></header>
<main>
"""
    )
    file.writelines(_card(record, before, after) for record, before, after in cards)
    file.write(f"</main>\n<footer>Made by repaint gallery.</footer>\n<script>{_SCRIPT}</script>\n")


def _card(record: Record, before: Picture, after: Picture) -> str:
    name = source_of(record).rstrip("/").rpartition("/")[2]
    prompt = record.instructions.prompt if record.instructions else ""
    label = f"Before and after: {name}"
    both = f' data-label="{_text(label)}"' if before.url and after.url else ""
    sent = len(record.attempts)
    facts = {
        "picture": f"<bdi>{_text(source_of(record))}</bdi>",
        "record": f"<code>{_text(record.id)}</code>",
        "generated": _time(record.updated_at),
        "attempts": f"{sent}",
        **_links(record),
    }
    rows = "".join(f"<dt>{what}</dt><dd>{value}</dd>" for what, value in facts.items())
    return f"""<article aria-labelledby="r-{_text(record.id)}">
<div class="pictures"{both}>
{_figure("before", before, f"{name}, before")}
{_figure("after", after, f"{name}, after: {prompt}")}
</div>
<div class="words">
<h2 id="r-{_text(record.id)}"><bdi>{_text(name)}</bdi></h2>
<p class="prompt" dir="auto">{_text(prompt)}</p>
<dl>{rows}</dl>
</div>
</article>
"""


def _figure(kind: str, picture: Picture, alternative: str) -> str:
    if picture.url:
        shown = (
            f'<img src="{picture.url}" alt="{_text(alternative)}" loading="lazy" decoding="async">'
        )
    else:
        shown = f'<p class="missing">{_text(picture.missing)}</p>'
    return f'<figure class="{kind}">{shown}<figcaption>{kind}</figcaption></figure>'


def _links(record: Record) -> dict[str, str]:
    """Return links to the images in full size; the page itself does not load them."""
    urls = [url for url in record.image_urls if urlsplit(url).scheme in ("http", "https")]
    links = [f'<a href="{_text(url)}" rel="noreferrer">open in full</a>' for url in urls]
    return {"image": ", ".join(links)} if links else {}


def _text(text: str) -> str:
    return escape(printable(text))


def _time(seconds: float) -> str:
    exact = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    return f'<time datetime="{exact}">{local_time(seconds)}</time>'


def _policy() -> str:
    """Return a policy that allows this page's own style, script and pictures, nothing else."""
    style, script = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (_STYLE, _SCRIPT)
    )
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{style}'; "
        f"script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    )
