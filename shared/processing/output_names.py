"""Output names that users choose: nothing is paid for one that is taken."""

from shared.errors import ProbeFailed
from shared.ledger import Record
from shared.processing.endings import Endings
from shared.processing.outputs import Outputs
from shared.processing.work import Work


class Names:
    """Settles who has a name; safe to use from several threads."""

    def __init__(self, outputs: Outputs, end: Endings) -> None:
        self._outputs = outputs
        self._end = end

    def settle(self, work: Work, name: str, overwrite: bool) -> tuple[Record | None, str | None]:
        """Find out whether a claim may store its output as `name`.

        Returns the record to stop with, or else the `LastModified` of the file that is to be
        overwritten, if there is one. The name is reserved in the ledger before it is looked for:
        of two uploads that find no file, one would otherwise pay in vain.
        """
        record, ledger = work.record, work.ledger
        holder = ledger.reserve_name(name, record.id)
        if holder != record.id:
            ended = ledger.finished(holder)
            made = ended is not None and any(uri.endswith(f"/{name}") for uri in ended.store_uris)
            if made and not overwrite:
                reason = f"The upload {holder} has the output name {name!r}: choose another one."
                return self._end.finish(work, "rejected", reason), None
            # It ended without a file of that name, or its file is to be overwritten.
            if ended is None or not ledger.move_name(name, holder, record.id):
                reason = f"The upload {holder} is not done with the output name {name!r}."
                return self._end.park(work, "deferred", "unsure", reason), None
        try:
            changed_at = self._outputs.changed_at(name)
        except ProbeFailed as error:
            reason = f"Whether {name} exists is not known: {error}"
            return self._end.cannot_look(work, "deferred", reason, error), None
        if changed_at is not None and not overwrite:
            reason = (
                f"An output {name!r} exists already: choose another name, or set "
                "x-tos-meta-overwrite to true."
            )
            return self._end.finish(work, "rejected", reason), None
        return None, changed_at
