"""How far a delivery came, for the line that tells how it ended, also where it was cut short."""

from dataclasses import dataclass

from shared.errors import TosError
from shared.logs import Log
from shared.processing.work import Work
from shared.results import Result


@dataclass(slots=True)
class Trace:
    """What is known of the upload being handled, filled in on the way."""

    bucket: str | None = None
    key: str | None = None
    record: str | None = None
    variant: int | None = None
    work: Work | None = None

    def bound(self, log: Log) -> Log:
        """Return the log with what is known on each of its lines."""
        return log.bind(bucket=self.bucket, key=self.key, record=self.record)

    def incomplete(self, reason: str) -> Result:
        """Tell that this delivery was cut short and has to come again."""
        attempts = len(self.work.record.attempts) if self.work else 0
        return Result(
            "incomplete", self.bucket, self.key, self.record, reason,
            attempts=attempts, variant=self.variant,
        )  # fmt: skip


def is_denied(error: BaseException) -> bool:
    """Tell whether object storage refused for what an operator has to mend."""
    return isinstance(error, TosError) and error.status in (401, 403)
