"""Check an upload bucket: permissions, and the notification rules that call the function.

The rules are those of `GET ?notification_v2`. A rule does not show whose function it calls: so
every rule that calls one counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ops.checks.check import CheckFailed, Finding, ok, refused, warning, wrong
from ops.checks.client import CheckClient
from ops.checks.imagex import ImagexService
from ops.checks.settings import touch
from ops.deployment.bucket_rules import Rule
from ops.service_errors import code_of, describe, is_denied
from shared.json_utils import as_object
from shared.settings import Settings

_CREATED = "tos:ObjectCreated:"
# How objects are created; a rule that leaves one out misses what is uploaded that way.
_WAYS = ("Put", "Post", "Copy", "CompleteUpload")
_RECORD_SUFFIX = ".json"
_WHERE = "the bucket's 事件通知 in the TOS console"
_OWN_PREFIX = f"Give the rule a prefix of the uploads' own in {_WHERE}"


def upload_bucket(client: CheckClient, bucket: str) -> Finding:
    """List the bucket, as backfill does, and read an object that does not exist."""
    listing = client.storage("GET", bucket, query={"list-type": "2", "max-keys": "1"})
    if code_of(listing) == "NoSuchBucket":
        return wrong(
            f"There is no bucket {bucket} in {client.tos_region}.",
            "Correct --bucket, or set TOS_REGION to the region of the bucket.",
        )
    absent = client.storage("GET", bucket, "repaint-doctor-asks-for-what-is-not-there")
    if is_denied(absent) and is_denied(listing):
        # Without the permission to list, an absent object looks forbidden.
        return warning(
            f"Neither listing {bucket} nor reading an absent object is allowed, so whether uploads "
            f"can be read is not known: {describe(absent)}",
            f"Give the function's role, and this key, tos:GetObject on {bucket}/*; and "
            f"tos:ListBucket on {bucket}.",
        )
    if absent.status not in (200, 404):
        raise refused(absent, f"Reading an object of {bucket}", f"tos:GetObject on {bucket}/*")
    if listing.status != 200:
        return warning(
            f"Objects of {bucket} can be read, but not listed: {describe(listing)}",
            f"The functions need no more; 'repaint backfill' needs tos:ListBucket on {bucket}.",
        )
    return ok(f"{bucket} exists; its objects can be read and listed.")


@dataclass(frozen=True, slots=True)
class Trigger:
    """The notification rules of one bucket."""

    client: CheckClient
    bucket: str
    settings: Settings

    def rules(self) -> list[Rule]:
        """Return the rules that call a function for created objects. Raises CheckFailed."""
        answer = self.client.storage("GET", self.bucket, query={"notification_v2": ""})
        document = as_object(answer.body)
        if answer.status == 404 and code_of(answer) != "NoSuchBucket":
            return []  # none were ever set
        if answer.status != 200 or document is None:
            if is_denied(answer) or answer.status == 200:
                found = f"The rules cannot be read: {describe(answer)}"
                fix = f"Check {_WHERE}; or give this key tos:GetBucketNotification."
                raise CheckFailed(warning(found, fix))
            raise refused(answer, "Reading the rules", "tos:GetBucketNotification")
        rules = [
            Rule.read(entry) for entry in document.get("Rules") or [] if isinstance(entry, dict)
        ]
        for_created = [
            replace(rule, events=tuple(e for e in rule.events if e.startswith(_CREATED)))
            for rule in rules
        ]
        return [rule for rule in for_created if rule.events and rule.functions]

    def covers_uploads(self) -> Finding:
        """Check that every way to upload calls a function."""
        rules = self.rules()
        if not rules:
            return warning(
                f"No rule of {self.bucket} calls a function: only 'repaint backfill' repaints "
                "uploads.",
                f"Create one for {_CREATED}* in {_WHERE}, or deploy Repaint.",
            )
        events = {event for rule in rules for event in rule.events}
        missed = [way for way in _WAYS if not events & {f"{_CREATED}*", f"{_CREATED}{way}"}]
        if missed:
            return warning(
                f"{_shown(rules)}: uploads by {', '.join(missed)} call no function; large files "
                "come by CompleteUpload.",
                f"Choose {_CREATED}* as the event in {_WHERE}.",
            )
        return ok(f"{_shown(rules)}.")

    def leaves_ledger(self, prefix: str) -> Finding:
        """Check that no rule covers the ledger below `prefix`."""
        covering = [
            rule
            for rule in self.rules()
            if touch(rule.prefix, prefix) and _suffixes_touch(rule.suffix, _RECORD_SUFFIX)
        ]
        place = f"{self.bucket}/{prefix}"
        if not covering:
            return ok(f"No rule covers {place}.")
        found = (
            f"{_shown(covering)} covers the ledger's {place}: every record that is written calls "
            "the function once more."
        )
        fix = f"{_OWN_PREFIX}, or keep the ledger in a bucket of its own."
        if self.settings.prefixes and not _any_touch(self.settings.prefixes, prefix):
            return warning(f"{found} REPAINT_PREFIXES makes the function ignore them.", fix)
        return wrong(found, fix)

    def matches_settings(self) -> Finding:
        """Compare the rules with REPAINT_PREFIXES, REPAINT_SUFFIXES and the presets."""
        problems, doubts = self._mismatches(self.rules())
        sentences = " ".join(problems + doubts)
        fix = (
            f"Let the rule's prefix and suffix in {_WHERE} and REPAINT_PREFIXES, REPAINT_SUFFIXES "
            "and REPAINT_PRESETS match."
        )
        if problems:
            return wrong(sentences, fix)
        return warning(sentences, fix) if doubts else ok("The rules match the settings.")

    def leaves_outputs(self, service: ImagexService) -> Finding:
        """Check that an output which veImageX stores calls no function."""
        prefix, wanted = self.settings.output_prefix, self.settings.prefixes
        stores = service.buckets
        if self.bucket not in stores:
            return ok(f"Outputs are stored elsewhere: {', '.join(sorted(stores))}.")
        covering = [rule for rule in self.rules() if touch(rule.prefix, prefix)]
        if not covering or (wanted and not _any_touch(wanted, prefix)):
            return ok(f"Outputs are stored here below {prefix!r}, where nothing is repainted.")
        return wrong(
            f"veImageX stores outputs in this bucket below {prefix!r}, and {_shown(covering)} "
            "covers that: repainted pictures could be repainted again, and again.",
            f"{_OWN_PREFIX}, and set REPAINT_PREFIXES to it.",
        )

    def _mismatches(self, rules: list[Rule]) -> tuple[list[str], list[str]]:
        """Return what is wrong and what is doubtful, as sentences."""
        problems, doubts = [], []
        wanted = self.settings.prefixes or ("",)
        for rule in rules:
            if not _any_touch(wanted, rule.prefix):
                problems.append(f"All objects of {rule} are outside REPAINT_PREFIXES.")
            elif not rule.prefix.startswith(wanted):
                doubts.append(f"{rule} also calls the function for keys outside REPAINT_PREFIXES.")
            if not any(_suffixes_touch(rule.suffix, suffix) for suffix in self.settings.suffixes):
                problems.append(f"All objects of {rule} are outside REPAINT_SUFFIXES.")
        places = [("REPAINT_PREFIXES", prefix) for prefix in self.settings.prefixes]
        places += [("the preset", preset.prefix) for preset in self.settings.presets]
        for name, prefix in places:
            if prefix and not any(prefix.startswith(rule.prefix) for rule in rules):
                doubts.append(f"No rule covers everything below {prefix!r} ({name}).")
        return problems, doubts


def _shown(rules: Iterable[Rule]) -> str:
    return "; ".join(str(rule) for rule in rules)


def _suffixes_touch(one: str, other: str) -> bool:
    """Return whether a key can end with both suffixes."""
    one, other = one.lower(), other.lower()
    return one.endswith(other) or other.endswith(one)


def _any_touch(prefixes: tuple[str, ...], prefix: str) -> bool:
    return any(touch(one, prefix) for one in prefixes)
