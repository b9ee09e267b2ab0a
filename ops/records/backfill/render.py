"""Render the plan of a backfill and what it may cost: as text, and as JSON for programs."""

from typing import Any

from rich.console import Console
from rich.markup import escape

from ops.records.backfill.plan import BackfillPlan
from ops.ui.progress import money, span

# How long the model takes for an image, typically.
_GENERATION_SECONDS = 12.0

_FOUND = {
    "listed": "",
    "outside": "outside REPAINT_PREFIXES and REPAINT_SUFFIXES, or Repaint's own state",
    "outputs": "made by Repaint",
    "older": "older than --since",
    "done": "have ended according to the ledger",
    "skipped": "skipped by an earlier run, and unchanged; --fresh checks them again",
    "planned": "",
}
_EXPECTED = {
    "repaint": "to repaint",
    "maybe_done": "probably done, which a request for each will show",
    "promptless": "without a prompt according to the listing: to be skipped",
    "unsuitable": "empty, over 35 MB, or with wrong metadata: to be rejected",
    "pending": "of all these have a pending record, which the sweep finishes too",
}
MEANINGS = {
    "duplicate": "had ended meanwhile",
    "superseded": "overwritten since the plan was made; run again",
    "deferred": "the sweep retries it",
    "in_doubt": "the sweep probes again",
    "incomplete": "run again, or leave it to the sweep",
}


class Estimate:
    """The cost and the duration of a plan.

    `price` is that of one image, None if not known; `rate` limits the calls a second.
    """

    def __init__(
        self,
        plan: BackfillPlan,
        cap: int | None,
        *,
        concurrency: int,
        price: float | None,
        rate: float,
    ) -> None:
        counts = plan.counts
        self._pictures = counts["repaint"]
        self.expected = counts["generations"]
        # If no object shows metadata, the listing may hide it.
        hidden = 0 if plan.shows_metadata else counts["hidden"]
        self.most = self.expected + counts["payable"] + hidden
        self.price = price
        self.cap = cap
        # The variants of a picture are generated concurrently.
        at_once = concurrency * self.expected / (self._pictures or 1)
        per_second = min(at_once / _GENERATION_SECONDS, rate)
        self.seconds = max(_GENERATION_SECONDS, self.expected / per_second) if self.expected else 0

    def cost(self, images: int) -> float | None:
        """Return the cost of a number of images."""
        return None if self.price is None else round(images * self.price, 6)

    def question(self) -> str:
        """Return the question to ask before anything is paid."""
        generations = self._number(self.expected, "generation")
        if self.expected == self._pictures:
            generations = self._number(self.expected, "picture")
        else:
            plural = "" if self._pictures == 1 else "s"
            generations = f"{self._pictures:,} picture{plural} in {generations}"
        return f"Repaint {generations}{self._at_most()}?"

    def sentence(self) -> str:
        """Return cost and duration."""
        cap = "" if self.cap is None else f"; at most {self.cap:,} a day (REPAINT_DAILY_CAP)"
        return (
            f"{self._number(self.expected, 'generation')}{self._at_most()}, "
            f"about {span(self.seconds)}{cap}"
        )

    def document(self) -> dict[str, Any]:
        """Return it for programs; what is not known is null."""
        return {
            "generations": self.expected,
            "generations_at_most": self.most,
            "cost": self.cost(self.expected),
            "cost_at_most": self.cost(self.most),
            "seconds": round(self.seconds),
            "daily_cap": self.cap,
        }

    def _at_most(self) -> str:
        return "" if self.most == self.expected else f", at most {self._number(self.most)}"

    def _number(self, number: int, what: str = "") -> str:
        cost = self.cost(number)
        plural = what and f" {what}{'' if number == 1 else 's'}"
        return f"{number:,}{plural}" + ("" if cost is None else f" for {money(cost)}")


def print_plan(console: Console, bucket: str, plan: BackfillPlan, estimate: Estimate) -> None:
    """Print a plan and its estimate."""
    counts = plan.counts
    rest = " (then the limit was reached)" if plan.is_cut else ""
    console.print(f"[bold]{escape(bucket)}[/]")
    for name, meaning in {**_FOUND, "listed": f"objects{rest}", "planned": "planned"}.items():
        if counts[name] or name in ("listed", "planned"):
            console.print(f"{counts[name]:>11,}  {meaning}")
    if not counts["planned"]:
        return
    for name, meaning in _EXPECTED.items():
        if counts[name]:
            console.print(f"{counts[name]:>15,}  {meaning}")
    console.print(f"[bold]cost[/]         {estimate.sentence()}")
    if estimate.price is None:
        console.print("             --price, of one image, adds the sum")


def plan_document(
    bucket: str, prefix: str, plan: BackfillPlan, estimate: Estimate
) -> dict[str, Any]:
    """Return a plan and its estimate for programs."""
    counts = {name: plan.counts[name] for name in (*_FOUND, *_EXPECTED)}
    return {
        "bucket": bucket,
        "prefix": prefix,
        **counts,
        "limit_reached": plan.is_cut,
        **estimate.document(),
    }
