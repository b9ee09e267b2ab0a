"""What calls the function: the notification rules of a bucket, held against the settings.

The rules are those of `GET ?notification_v2`. Whose function a rule calls cannot be seen in it:
so every rule that calls one counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from ops.checks.checks import State, Told, ok, warning, wrong
from ops.checks.imagex import Service
from ops.checks.refusals import code_of, is_denied, refused, said
from ops.checks.settings import touch
from ops.checks.wire import Wire
from ops.deployment.bucket_rules import Rule
from shared.json_utils import as_object
from shared.settings import Settings

_CREATED = "tos:ObjectCreated:"
# How objects come to be; a rule that leaves one out misses what is uploaded that way.
_WAYS = ("Put", "Post", "Copy", "CompleteUpload")
_RECORD_SUFFIX = ".json"
_WHERE = "the bucket's 事件通知 in the TOS console"


class Rules:
    """The rules of one bucket, read once."""

    def __init__(self, wire: Wire, bucket: str, settings: Settings) -> None:
        self._wire = wire
        self._bucket = bucket
        self._settings = settings
        self._rules: list[Rule] = []

    def calls(self) -> Told:
        """See that uploads call a function, in whatever way they come."""
        if (told := self._read()) is not None:
            return told
        if not self._rules:
            return warning(
                f"No rule of {self._bucket} calls a function: uploads are repainted by "
                "'repaint backfill' only.",
                f"Create one for {_CREATED}* in {_WHERE}, or deploy Repaint.",
            )
        shown = "; ".join(str(rule) for rule in self._rules)
        events = {event for rule in self._rules for event in rule.events}
        missed = [way for way in _WAYS if not events & {f"{_CREATED}*", f"{_CREATED}{way}"}]
        if missed:
            return warning(
                f"{shown}: nothing is told of what is uploaded by {', '.join(missed)}; large files "
                "come by CompleteUpload.",
                f"Choose {_CREATED}* as the event in {_WHERE}.",
            )
        return ok(f"{shown}.")

    def state(self, prefix: str) -> Told:
        """See that no rule covers the ledger below `prefix`."""
        if (told := self._read()) is not None:
            return told
        covering = [
            rule
            for rule in self._rules
            if touch(rule.prefix, prefix) and _ends(rule.suffix, _RECORD_SUFFIX)
        ]
        place = f"{self._bucket}/{prefix}"
        if not covering:
            return ok(f"No rule covers {place}.")
        found = (
            f"{'; '.join(str(rule) for rule in covering)} covers the ledger's {place}: every "
            "record that is written calls the function once more."
        )
        mend = (
            f"Give the rule a prefix of the uploads' own in {_WHERE}, or keep the ledger in a "
            "bucket of its own."
        )
        excluded = self._settings.prefixes and not _any_touch(self._settings.prefixes, prefix)
        if excluded:
            return warning(f"{found} REPAINT_PREFIXES makes it leave them alone.", mend)
        return wrong(found, mend)

    def prefixes(self) -> Told:
        """Hold the rules against REPAINT_PREFIXES, REPAINT_SUFFIXES and the presets."""
        problems = list(self._mismatches())
        if not problems:
            return ok("What the rules tell of is what the settings want.")
        state = max((state for state, _ in problems), key=[State.WARNING, State.WRONG].index)
        tell: Callable[[str, str], Told] = wrong if state is State.WRONG else warning
        return tell(
            " ".join(sentence for _, sentence in problems),
            f"Let the rule's prefix and suffix in {_WHERE} and REPAINT_PREFIXES, REPAINT_SUFFIXES "
            "and REPAINT_PRESETS say the same.",
        )

    def outputs(self, service: Service) -> Told:
        """See that what veImageX stores calls no function."""
        prefix, wanted = self._settings.output_prefix, self._settings.prefixes
        stores = service.buckets
        if self._bucket not in stores:
            return ok(f"Outputs are stored elsewhere: {', '.join(sorted(stores))}.")
        covering = [rule for rule in self._rules if touch(rule.prefix, prefix)]
        if not covering or (wanted and not _any_touch(wanted, prefix)):
            return ok(f"Outputs are stored here below {prefix!r}, where nothing is repainted.")
        return wrong(
            f"veImageX stores outputs in this bucket below {prefix!r}, and "
            f"{'; '.join(str(rule) for rule in covering)} covers that: what was repainted could "
            "be repainted again, and again.",
            f"Give the rule a prefix of the uploads' own in {_WHERE}, and set REPAINT_PREFIXES "
            "to it.",
        )

    def _mismatches(self) -> Iterator[tuple[State, str]]:
        wanted = self._settings.prefixes or ("",)
        for rule in self._rules:
            if not _any_touch(wanted, rule.prefix):
                yield State.WRONG, f"All that {rule} tells of is outside REPAINT_PREFIXES."
            elif not rule.prefix.startswith(wanted):
                yield (
                    State.WARNING,
                    f"{rule} also calls the function for what is outside REPAINT_PREFIXES.",
                )
            if not any(_ends(rule.suffix, suffix) for suffix in self._settings.suffixes):
                yield State.WRONG, f"All that {rule} tells of is outside REPAINT_SUFFIXES."
        places = [("REPAINT_PREFIXES", prefix) for prefix in self._settings.prefixes]
        places += [("the preset", preset.prefix) for preset in self._settings.presets]
        for name, prefix in places:
            told = [rule for rule in self._rules if prefix.startswith(rule.prefix)]
            if not told and prefix:
                yield State.WARNING, f"No rule tells of all that is below {prefix!r} ({name})."

    def _read(self) -> Told | None:
        """Read the rules; return what there is to tell where that fails."""
        answer = self._wire.storage("GET", self._bucket, query={"notification_v2": ""})
        document = as_object(answer.body)
        if answer.status == 404 and code_of(answer) != "NoSuchBucket":
            document = {}  # none were ever set
        elif answer.status != 200 or document is None:
            if is_denied(answer) or answer.status == 200:
                return warning(
                    f"The rules could not be asked for: {said(answer)}",
                    f"Look at {_WHERE}; or give this key tos:GetBucketNotification.",
                )
            return refused(answer, "Reading the rules", "tos:GetBucketNotification")
        listed = document.get("Rules") if document else None
        entries = [entry for entry in listed or [] if isinstance(entry, dict)]
        rules = [_created(Rule.read(entry)) for entry in entries]
        self._rules = [rule for rule in rules if rule.events and rule.functions]
        return None


def _created(rule: Rule) -> Rule:
    """Return a rule as far as it is about objects that are created."""
    return replace(rule, events=tuple(e for e in rule.events if e.startswith(_CREATED)))


def _ends(one: str, other: str) -> bool:
    """Tell whether some key can end with both suffixes."""
    one, other = one.lower(), other.lower()
    return one.endswith(other) or other.endswith(one)


def _any_touch(prefixes: tuple[str, ...], prefix: str) -> bool:
    return any(touch(one, prefix) for one in prefixes)
