"""What a plan and a run came to: in words for people, as JSON for programs."""

from typing import Any

from rich.console import Console
from rich.markup import escape

from ops.records.backfill.plan import Plan
from ops.ui.progress import money, span
from ops.ui.tally import Tally, tell_counts
from shared.processing.rate_limit import Pace
from shared.settings import Settings

# How long the model takes for an image, as a rule.
_GENERATION_SECONDS = 12.0

_FOUND = {
    "listed": "",
    "outside": "outside REPAINT_PREFIXES and REPAINT_SUFFIXES, or Repaint's own state",
    "outputs": "made by Repaint",
    "older": "older than --since",
    "done": "have ended, says the ledger",
    "skipped": "skipped by an earlier run, and not changed; --fresh looks again",
    "planned": "",
}
_OF_THESE = {
    "repaint": "to repaint",
    "maybe_done": "probably done, but only a look can tell",
    "promptless": "without a prompt, says the listing: to be skipped",
    "unsuitable": "empty, over 35 MB, or with wrong metadata: to be rejected",
    "pending": "of all these have been begun before; the sweep's as well",
}
_MEANING = {
    "duplicate": "had ended meanwhile",
    "superseded": "overwritten since the plan was made; run again",
    "deferred": "the sweep goes on with it",
    "in_doubt": "the sweep looks again",
    "incomplete": "run again, or leave it to the sweep",
}


class Estimate:
    """What a plan may cost and how long it may take; `price` is for one image, if it is known."""

    def __init__(
        self, plan: Plan, settings: Settings, *, concurrency: int, price: float | None, pace: Pace
    ) -> None:
        counts = plan.counts
        self._pictures = counts["repaint"]
        self.expected = counts["generations"]
        # Where no object shows metadata, the listing may keep it to itself.
        hidden = 0 if plan.tells_metadata else counts["hidden"]
        self.most = self.expected + counts["payable"] + hidden
        self.price = price
        self.cap = settings.daily_cap
        # The variants of a picture are made side by side.
        at_once = concurrency * self.expected / (self._pictures or 1)
        per_second = min(at_once / _GENERATION_SECONDS, pace.rate)
        self.seconds = max(_GENERATION_SECONDS, self.expected / per_second) if self.expected else 0

    def cost(self, images: int) -> float | None:
        """Return what so many images cost."""
        return None if self.price is None else round(images * self.price, 6)

    def question(self) -> str:
        """Return what to ask before anything is paid."""
        if self.expected == self._pictures:
            return f"Repaint {self._images(self.expected, 'picture')}{self._at_most()}?"
        pictures = f"{self._pictures:,} picture{'' if self._pictures == 1 else 's'}"
        generations = self._images(self.expected, "generation")
        return f"Repaint {pictures} in {generations}{self._at_most()}?"

    def sentence(self) -> str:
        """Tell cost and time."""
        cap = "" if self.cap is None else f"; at most {self.cap:,} a day (REPAINT_DAILY_CAP)"
        return (
            f"{self._images(self.expected, 'generation')}{self._at_most()}, "
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
        return "" if self.most == self.expected else f", at most {self._images(self.most)}"

    def _images(self, number: int, what: str = "") -> str:
        cost = self.cost(number)
        plural = what and f" {what}{'' if number == 1 else 's'}"
        return f"{number:,}{plural}" + ("" if cost is None else f" for {money(cost)}")


def tell_plan(console: Console, bucket: str, plan: Plan, estimate: Estimate) -> None:
    """Print what a plan found."""
    counts = plan.counts
    rest = " (then the limit was reached)" if plan.is_cut else ""
    console.print(f"[bold]{escape(bucket)}[/]")
    for name, meaning in {**_FOUND, "listed": f"objects{rest}", "planned": "planned"}.items():
        if counts[name] or name in ("listed", "planned"):
            console.print(f"{counts[name]:>11,}  {meaning}")
    if not counts["planned"]:
        return
    for name, meaning in _OF_THESE.items():
        if counts[name]:
            console.print(f"{counts[name]:>15,}  {meaning}")
    console.print(f"[bold]cost[/]         {estimate.sentence()}")
    if estimate.price is None:
        console.print("             --price, of one image, tells the sum")


def plan_document(bucket: str, prefix: str, plan: Plan, estimate: Estimate) -> dict[str, Any]:
    """Return what a plan found, for programs."""
    counts = {name: plan.counts[name] for name in (*_FOUND, *_OF_THESE)}
    return {
        "bucket": bucket,
        "prefix": prefix,
        **counts,
        "limit_reached": plan.is_cut,
        **estimate.document(),
    }


def tell_tally(console: Console, tally: Tally, estimate: Estimate, seconds: float) -> None:
    """Print how a run ended."""
    tell_counts(console, tally, _MEANING)
    cost = estimate.cost(tally.counts["generated"])
    console.print(f"in {span(seconds)}" + ("" if cost is None else f", for {money(cost)}"))


def tally_document(tally: Tally, plan: Plan, estimate: Estimate, seconds: float) -> dict[str, Any]:
    """Return how a run ended, for programs."""
    return {
        "counts": {status: number for status, number in tally.counts.items() if number},
        "not_begun": plan.counts["planned"] - tally.begun,
        "unfinished": tally.waiting,
        "cost": estimate.cost(tally.counts["generated"]),
        "seconds": round(seconds, 1),
        "stopped": tally.stopped,
    }
