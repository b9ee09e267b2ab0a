"""What was seen, as Markdown to be pasted into an issue, or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Fact:
    """One question that the documents leave open, and what the live service does.

    `answer` is a sentence, or the shape of a document.
    """

    question: str
    answer: Any


def markdown(title: str, facts: Sequence[Fact]) -> str:
    """Write a table of what fits into one line, and the shapes below it."""
    short = [fact for fact in facts if isinstance(fact.answer, str)]
    long = [fact for fact in facts if not isinstance(fact.answer, str)]
    lines = [f"## {title}", "", "| | |", "|---|---|"]
    lines += [f"| {_cell(fact.question)} | {_cell(fact.answer)} |" for fact in short]
    for fact in long:
        shown = json.dumps(fact.answer, ensure_ascii=False, indent=2)
        lines += ["", f"**{fact.question}**", "", "```json", shown, "```"]
    return "\n".join(lines)


def document(title: str, facts: Sequence[Fact], *, generated: bool) -> dict[str, Any]:
    """Return the same for programs."""
    return {"title": title, "facts": [asdict(fact) for fact in facts], "generated": generated}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
