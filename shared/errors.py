"""The error tree.

RepaintError                everything this project raises on purpose
├── SettingsError           settings are missing or invalid; has every problem
├── CredentialsError        no access key was found anywhere
├── RejectedUpload          an upload can never be generated as it is; has every problem
├── NoAnswer                a request got no whole answer
│   ├── NotExecuted         …and cannot have been executed: nothing was sent
│   └── MaybeExecuted       …and may have been executed: something was sent
├── TosError                object storage answered with an error
│   ├── ObjectMissing       …there is no such object (404)
│   └── ConditionFailed     …somebody else was first (409, 412)
├── LedgerFailed            the ledger's file cannot be read or written
├── RecordUnreadable        a stored record is damaged, or not a record
├── ProbeFailed             a probe did not show whether an output exists
├── LeaseLost               another owner has the record now: neither pay nor write
└── DeliveryIncomplete      an upload has to be delivered again; an error for the platform

The outcome of the paid call is none of these: it is a value (`clients.imagex.Outcome`), because
"unknown" is a state to act on and not a failure.
"""

from typing import NamedTuple


class RepaintError(Exception):
    """The base of every error that this project raises on purpose."""


class SettingsError(RepaintError):
    """Settings are missing or invalid; `problems` has a sentence for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        lines = "".join(f"\n  - {problem}" for problem in problems)
        are = "setting is" if len(problems) == 1 else "settings are"
        super().__init__(f"{len(problems)} {are} invalid:{lines}")


class CredentialsError(RepaintError):
    """No access key was found anywhere."""


class Problem(NamedTuple):
    """A reason to reject an upload.

    `message` continues after the name of `field`, a metadata key; if that is "", it is a whole
    sentence.
    """

    field: str
    message: str

    def __str__(self) -> str:
        """Return the sentence that the uploader reads."""
        name = self.field.replace("_", "-")
        return f"x-tos-meta-{name} {self.message}" if name else self.message


class RejectedUpload(RepaintError):
    """An upload can never be generated as it is; `reasons` are the problems as sentences."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.reasons = [str(problem) for problem in problems]
        super().__init__(" ".join(self.reasons))


class NoAnswer(RepaintError):
    """A request got no whole answer."""


class NotExecuted(NoAnswer):
    """A request cannot have been executed: nothing was sent."""


class MaybeExecuted(NoAnswer):
    """A request may have been executed: something was sent."""


class TosError(RepaintError):
    """Object storage answered with an error, or with a success that lacks what it must have."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str = "",
        request_id: str = "",
        is_clock_skew: bool = False,
    ) -> None:
        self.status = status
        self.code = code
        self.request_id = request_id
        self.is_clock_skew = is_clock_skew
        super().__init__(message)

    @property
    def is_denied(self) -> bool:
        """Return whether an operator has to allow the request."""
        return self.status in (401, 403)

    @property
    def is_permanent(self) -> bool:
        """Return whether the same request will be refused however often it is sent."""
        return 200 <= self.status < 500 and self.status not in (401, 403, 404, 408, 429)


class ObjectMissing(TosError):
    """There is no such object."""


class ConditionFailed(TosError):
    """Somebody else was first: a create-only or compare-and-swap write was refused."""


class LedgerFailed(RepaintError):
    """The ledger's file cannot be read or written."""


class RecordUnreadable(RepaintError):
    """A stored record is damaged, or not a record."""


class ProbeFailed(RepaintError):
    """A probe did not show whether an output exists.

    `misconfigured` means that an operator has to fix the configuration.
    """

    def __init__(self, message: str, *, misconfigured: bool = False) -> None:
        self.misconfigured = misconfigured
        super().__init__(message)


class LeaseLost(RepaintError):
    """Another owner has the record now: this one may neither pay nor write."""


class DeliveryIncomplete(RepaintError):
    """An upload has to be delivered again.

    Raised out of the handler so that the platform counts an error and delivers again. `results` has
    the result of every upload of the delivery.
    """

    def __init__(self, message: str, results: list[dict[str, object]]) -> None:
        self.results = results
        super().__init__(message)
