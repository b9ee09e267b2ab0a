"""Looking at what is stored under an output's name."""

from shared.attempts import changed_long_before
from shared.errors import ProbeFailed
from shared.imagex import Imagex
from shared.ledger import Attempt, Record
from shared.outcome import Generated


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
        if changed_long_before(found.last_modified, attempt.sent_at):
            # Somebody else's: it was there before the call went out.
            return None
        if attempt.before is not None and found.last_modified == attempt.before:
            # Times are given to the second: the file that was there and the one that was to
            # replace it cannot be told apart.
            raise ProbeFailed(f"{attempt.output} was changed in the second it was to be replaced.")
        url = self._imagex.address_of(
            found.store_uri,
            domain=self._domain,
            template=record.instructions.template if record.instructions else "",
        )
        return Generated([url], [found.store_uri], "")
