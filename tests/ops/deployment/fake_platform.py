"""A function platform and buckets in memory, that can die at any point of any call.

As strict as the real one where that matters: names are unique, only what was released can be
called, a release under way refuses another. Less kind than it may be: it changes a function's code
apart from its settings, so that a call that dies can leave one without the other.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ops.deployment.bucket_rules import BucketRules, Rule
from ops.deployment.model import Deployed, Mark, Setup, Timer, Version
from ops.deployment.vefaas import Listed, Refusal, Release, State
from shared.errors import MaybeExecuted, TosError

POLLS = 2
"""How often a release is told to be under way."""


class Fate:
    """Counts the points that calls pass, and lets the call at point `dies_at` die there."""

    def __init__(self, dies_at: int = 0) -> None:
        self.dies_at = dies_at
        self.passed = 0

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self.dies_at:
            raise MaybeExecuted("The network is gone.")


@dataclass(frozen=True)
class Snapshot:
    """What a release releases."""

    setup: Setup
    code: bytes
    description: str


@dataclass
class FakeFunction:
    id: str
    name: str
    runtime: str
    setup: Setup
    description: str
    code: bytes = b""
    revisions: list[Snapshot] = field(default_factory=list)
    stable: int = 0
    release: Release | None = None
    polls: int = 0
    done: list[int] = field(default_factory=list)
    timers: dict[str, Timer] = field(default_factory=dict)

    @property
    def live(self) -> Snapshot | None:
        return self.revisions[self.stable - 1] if self.stable else None


class FakePlatform:
    """A `Platform`; `fails` are the names of functions that do not start, with what they write."""

    def __init__(self, fate: Fate | None = None) -> None:
        self.fate = fate or Fate()
        self.stored: dict[str, FakeFunction] = {}
        self.fails: dict[str, str] = {}
        self._made = 0

    def named(self, name: str) -> FakeFunction:
        """Return a function by its name."""
        return next(each for each in self.stored.values() if each.name == name)

    def functions(self) -> list[Listed]:
        self.fate()
        return [Listed(f.id, f.name, Mark.read(f.description)) for f in self.stored.values()]

    def deployed(self, function_id: str) -> Deployed:
        self.fate()
        found = self.stored[function_id]
        mark = Mark.read(found.description)
        return Deployed(
            id=found.id,
            name=found.name,
            runtime=found.runtime,
            source_type="zip",
            mark=mark,
            draft=Version(found.setup, mark.code if mark else None),
            live=_version(found.live) if found.live else None,
            revision=found.stable,
            is_releasing=bool(found.release and found.release.is_under_way),
            timers=tuple(found.timers.values()),
        )

    def revision(self, function_id: str, number: int) -> Version:
        self.fate()
        return _version(self.stored[function_id].revisions[number - 1])

    def create(self, name: str, runtime: str, setup: Setup, mark: Mark, code: bytes) -> str:
        self.fate()
        if name in {each.name for each in self.stored.values()}:
            raise Refusal("The name is taken.", code="DuplicatedResource")
        self._made += 1
        made = FakeFunction(f"fn{self._made}", name, runtime, setup, str(mark))
        self.stored[made.id] = made
        self.fate()
        made.code = code
        self.fate()
        return made.id

    def change(self, function_id: str, setup: Setup, mark: Mark, code: bytes | None) -> None:
        self.fate()
        found = self.stored[function_id]
        found.setup, found.description = setup, str(mark)
        if code is not None:
            self.fate()
            found.code = code
        self.fate()

    def release(self, function_id: str, revision: int, mark: Mark) -> Release:
        self.fate()
        found = self.stored[function_id]
        if found.release and found.release.is_under_way:
            raise Refusal("A release is under way.", code="StatusConflictError")
        if not revision:
            found.revisions.append(Snapshot(found.setup, found.code, str(mark)))
            revision = len(found.revisions)
        record = f"record-{len(found.done)}-{revision}-{self.fate.passed}"
        found.release = Release(State.IN_PROGRESS, record, revision, "in progress")
        found.polls = 0
        self.fate()
        return found.release

    def release_state(self, function_id: str) -> Release:
        self.fate()
        found = self.stored[function_id]
        if found.release is None:
            return Release(State.PENDING, "", 0, "never released")
        found.polls += 1
        if found.release.is_under_way and found.polls > POLLS:
            if found.name in self.fails:
                log = self.fails[found.name]
                found.release = replace(
                    found.release, state=State.FAILED, message="it did not start", log=log
                )
            else:
                found.release = replace(found.release, state=State.DONE, message="done")
                found.stable = found.release.revision
                found.done.append(found.stable)
        return found.release

    def released(self, function_id: str) -> list[int]:
        self.fate()
        return self.stored[function_id].done

    def create_timer(self, function_id: str, name: str, cron: str, *, enabled: bool) -> None:
        self.fate()
        found = self.stored[function_id]
        if not found.stable or name in {timer.name for timer in found.timers.values()}:
            raise Refusal("Never released, or the name is taken.", code="InvalidOperation")
        self._made += 1
        found.timers[f"t{self._made}"] = Timer(f"t{self._made}", name, cron, enabled)
        self.fate()

    def change_timer(self, function_id: str, timer: Timer) -> None:
        self.fate()
        self.stored[function_id].timers[timer.id] = timer
        self.fate()

    def remove_timer(self, function_id: str, timer_id: str) -> None:
        self.fate()
        del self.stored[function_id].timers[timer_id]
        self.fate()

    def remove(self, function_id: str) -> None:
        self.fate()
        if self.stored[function_id].timers:
            raise Refusal("It has triggers still.", code="InvalidOperation")
        del self.stored[function_id]
        self.fate()


class FakeBuckets:
    """`Buckets`, whose rules may call only what was released; `meanwhile` are others' changes."""

    def __init__(self, platform: FakePlatform, **rules: list[dict[str, Any]]) -> None:
        self._platform = platform
        self.there = {name.replace("_", "-"): list(found) for name, found in rules.items()}
        self.versions = dict.fromkeys(self.there, 0)
        self.written = 0
        self.meanwhile: list[dict[str, Any]] = []

    def rules(self, bucket: str) -> BucketRules | None:
        self._platform.fate()
        if bucket not in self.there:
            return None
        return BucketRules(tuple(self.there[bucket]), str(self.versions[bucket]))

    def set_rules(self, bucket: str, rules: list[dict[str, Any]], version: str | None) -> None:
        self._platform.fate()
        if self.meanwhile:
            self.there[bucket].append(self.meanwhile.pop())
            self.versions[bucket] += 1
        if version != str(self.versions[bucket]):
            raise TosError("The rules have changed.", status=409, code="VersionConflict")
        called = {function_id for rule in rules for function_id in Rule.read(rule).functions}
        released = {f.id for f in self._platform.stored.values() if f.stable}
        if not called <= released | {"of-others"}:
            raise TosError("A rule calls what was never released.", status=400)
        self.there[bucket] = rules
        self.versions[bucket] += 1
        self.written += 1
        self._platform.fate()


def others(rule_id: str = "theirs", prefix: str = "theirs/", called: str = "of-others") -> Any:
    """Return a rule of somebody else, with a field of which nothing is known here."""
    return {
        "RuleId": rule_id,
        "Events": ["tos:ObjectCreated:*"],
        "Filter": {"TOSKey": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
        "Destination": {"VeFaaS": [{"FunctionId": called}], "RocketMQ": [{"Role": "x"}]},
    }


def digest(code: bytes) -> str:
    """Return a zip's SHA-256."""
    return hashlib.sha256(code).hexdigest()


def lies(platform: FakePlatform) -> list[str]:
    """Return the names of functions whose mark says of the draft's or live code what is not so."""
    found = []
    for function in platform.stored.values():
        said = [(function.description, function.code)]
        if function.live:
            said.append((function.live.description, function.live.code))
        marks = [(Mark.read(description), code) for description, code in said]
        if any(mark and mark.code and mark.code != digest(code) for mark, code in marks):
            found.append(function.name)
    return found


def _version(snapshot: Snapshot) -> Version:
    mark = Mark.read(snapshot.description)
    return Version(snapshot.setup, mark.code if mark else None)


def picture_of(platform: FakePlatform, buckets: FakeBuckets) -> Mapping[str, Any]:
    """Return what counts of the whole, without ids, numbers and versions."""
    names = {function.id: function.name for function in platform.stored.values()}
    return {
        "functions": {
            function.name: (
                function.runtime,
                function.setup,
                function.code,
                function.live and (function.live.setup, function.live.code),
                sorted((t.name, t.cron, t.enabled) for t in function.timers.values()),
            )
            for function in platform.stored.values()
        },
        "rules": {
            bucket: [
                (str(replace(found, functions=())), [names.get(f, f) for f in found.functions])
                for found in map(Rule.read, rules)
            ]
            for bucket, rules in buckets.there.items()
        },
    }
