"""What is wrong in serverless.yml: the line, what is wrong there, and what to write instead."""

from dataclasses import dataclass
from pathlib import Path

from ops.ui.output import Refused


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to mend."""

    line: int
    wrong: str
    instead: str

    def sentence(self, path: Path) -> str:
        """Say it as compilers do, so that editors and terminals lead to the line."""
        end = "" if self.instead.endswith("?") else "."
        return f"{path}:{self.line}: {self.wrong}; {self.instead}{end}"


class ServerlessError(Refused):
    """serverless.yml cannot be used as it is.

    `problems` has a sentence for each thing that is wrong, in the order of the lines.
    """

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.problems = [problem.sentence(path) for problem in sorted(set(problems))]
        super().__init__("\n".join(self.problems))
