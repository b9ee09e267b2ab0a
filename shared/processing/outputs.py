"""Looking at what is stored under an output's name."""

from shared.clients.imagex import Generated, Imagex
from shared.errors import ProbeFailed
from shared.ledger import Attempt, Record
from shared.processing.attempts import changed_long_before


class Outputs:
    """Looks for outputs; safe to use from several threads."""

    def __init__(self, imagex: Imagex, domain: str) -> None:
        self._imagex = imagex
        self._domain = domain

    def changed_at(self, name: str) -> str | None:
        """Return the `LastModified` of the output `name`, None where there is none.

        Raises ProbeFailed where there is no clear answer.
        """
        found = self._imagex.find_output(name)
        return found.last_modified if found else None

    def made_by(self, record: Record, attempt: Attempt) -> Generated | None:
        """Look for what an attempt made. Raises ProbeFailed where there is no clear answer."""
        found = self._imagex.find_output(attempt.output)
        if found is None:
            return None
        if record.instructions and record.instructions.output and attempt.number == 1:
            # Names of our own are nobody else's. This one may have been used before.
            _check_is_new(attempt, found.last_modified)
            if found.last_modified == attempt.before:
                return None
        url = self._imagex.address_of(
            found.store_uri,
            domain=self._domain,
            template=record.instructions.template if record.instructions else "",
        )
        return Generated([url], [found.store_uri], "")


def _check_is_new(attempt: Attempt, last_modified: str) -> None:
    """Raise ProbeFailed where it cannot be told whether a file is the attempt's.

    The two moments are told by two clocks, and one of them to the second only: where they
    contradict each other, nothing is taken for granted.
    """
    is_old = changed_long_before(last_modified, attempt.sent_at)
    was_there = last_modified == attempt.before
    if is_old and not was_there:
        raise ProbeFailed(f"{attempt.output} seems to be older than the call that was to make it.")
    if was_there and not is_old:
        raise ProbeFailed(f"{attempt.output} was changed in the second it was to be replaced.")
