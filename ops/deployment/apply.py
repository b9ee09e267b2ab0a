"""Read the current state, and carry out a plan step by step.

The state that a stop after each call leaves, and what the next run does:

```
function, 1   code and settings, with the mark "not whole"   uploads the code again
function, 2   the mark names the code                        releases it
release       a release is under way                         waits for it
timer, rule   one call each                                  does what is missing
```

A call without an answer may still be carried out later. If the code were written together with its
mark, a platform that stores the two apart could keep the mark without the code; in this order the
mark may be missing, but is never wrong.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import typer
from pydantic import TypeAdapter, ValidationError

from ops.context import environment_of, service_access
from ops.deployment.bucket_rules import Buckets, TosBuckets, change_rules, merged
from ops.deployment.model import Current, Deployed, Mark
from ops.deployment.plan import (
    Plan,
    PutFunction,
    PutRules,
    PutTimer,
    ReleaseFunction,
    RemoveFunction,
    RemoveTimer,
    Step,
)
from ops.deployment.render import Progress
from ops.deployment.serverless_yml import Service
from ops.deployment.vefaas import Client, Platform, Release, State, Vefaas
from ops.ui.output import Exit, Refused
from shared.clock import Clock
from shared.redaction import redact_text
from shared.settings import Endpoint

POLL_SECONDS = 1.0
LONGEST_SECONDS = 900.0
_SHOWN_LINES = 30
_ENDPOINT: TypeAdapter[str] = TypeAdapter(Endpoint)


@dataclass(frozen=True, slots=True)
class Connection:
    """The platform and the buckets in a service's region."""

    service: Service
    platform: Platform
    buckets: Buckets
    clock: Clock
    progress: Progress

    def current(
        self, names: Sequence[str] | None, event_buckets: Sequence[str], *, settle: bool
    ) -> Current:
        """Read the functions of these names, and the rules of buckets that call or shall call them.

        If `names` is None: all functions in serverless.yml, and those that were deployed for its
        service and stage. If `settle`, releases under way are waited for first. Raises Refusal,
        TosError, NoAnswer, CredentialsError.
        """
        current = self._read(names, event_buckets)
        under_way = [f for f in current.functions.values() if f.is_releasing]
        if not settle or not under_way:
            return current
        with self.progress.moving():
            for function in under_way:
                self._settle(function)
        return self._read(names, event_buckets)

    def apply(self, plan: Plan, current: Current) -> None:
        """Take every step of a plan, and show each.

        Raises Refused if a release fails; Refusal, TosError, NoAnswer, CredentialsError. The same
        command can be run again in any case.
        """
        ids = {name: function.id for name, function in current.functions.items()}
        try:
            with self.progress.moving():
                for step in plan.steps:
                    self._take(step, ids)
                    self.progress.done(step)
        except KeyboardInterrupt:
            self.progress("Interrupted. Finished steps are kept: run the same command to continue.")
            raise

    def _read(self, names: Sequence[str] | None, event_buckets: Sequence[str]) -> Current:
        known = [function.deployed_name for function in self.service.functions]
        listed = self.platform.functions()
        orphans = [
            each.name
            for each in listed
            if each.name not in known and each.mark and each.mark.is_of(self.service)
        ]
        chosen = (*known, *orphans) if names is None else names
        functions = {
            each.name: self.platform.deployed(each.id) for each in listed if each.name in chosen
        }
        called_by = sorted({bucket for f in functions.values() for bucket in f.buckets})
        return Current(
            functions=functions,
            rules={b: self.buckets.rules(b) for b in dict.fromkeys((*event_buckets, *called_by))},
            orphans=tuple(name for name in orphans if name not in chosen),
        )

    def _settle(self, function: Deployed) -> None:
        self.progress(f"{function.name} is being released already: waiting for that")
        try:
            wait(self.platform, function.id, function.name, self.clock, self.progress)
        except Refused as failed:
            # The end of somebody else's release changes the plan, but does not prevent it.
            self.progress(str(failed))

    def _take(self, step: Step, ids: dict[str, str]) -> None:
        """Take one step; `ids` are the functions' by name, and get those of new functions."""
        match step:
            case PutFunction():
                self._put_function(step, ids)
            case ReleaseFunction():
                function_id = ids[step.name]
                begun = self.platform.release(function_id, step.revision, step.mark)
                wait(self.platform, function_id, step.name, self.clock, self.progress, begun.record)
            case PutTimer(timer=timer) if timer.id:
                self.platform.change_timer(ids[step.function], timer)
            case PutTimer(timer=timer):
                self.platform.create_timer(
                    ids[step.function], timer.name, timer.cron, enabled=timer.enabled
                )
            case RemoveTimer():
                self.platform.remove_timer(ids[step.function], step.timer.id)
            case PutRules():
                change_rules(
                    self.buckets,
                    step.bucket,
                    lambda there: merged(there, step.rules, ids, step.names),
                )
            case RemoveFunction():
                self.platform.remove(ids[step.name])

    def _put_function(self, step: PutFunction, ids: dict[str, str]) -> None:
        function, setup = step.desired.function, step.desired.version.setup
        name, incomplete = function.deployed_name, Mark(step.mark.service, step.mark.stage)
        code = step.desired.code
        if name not in ids:
            ids[name] = self.platform.create(name, function.runtime, setup, incomplete, code)
        elif step.with_code:
            self.platform.change(ids[name], setup, incomplete, code)
        self.platform.change(ids[name], setup, step.mark, None)


@contextmanager
def connected(context: typer.Context, service: Service, *, quiet: bool) -> Iterator[Connection]:
    """Connect to VEFAAS_ENDPOINT and TOS_ENDPOINT if they are set, else to the service's region.

    Raises Refused if one of them is not an address.
    """
    environment = environment_of(context)
    vefaas = _endpoint(environment, "VEFAAS_ENDPOINT")
    tos = public_storage(environment, service.region)
    with service_access() as access:
        platform = Vefaas(Client(service.region, vefaas, access.credentials))
        buckets = TosBuckets(
            endpoint=tos,
            public_endpoint=tos,
            region=service.region,
            credentials=access.credentials,
            transport=access.transport,
            clock=access.clock,
            rng=random.Random(),  # noqa: S311 - jitter, not a secret
        )
        try:
            yield Connection(service, platform, buckets, access.clock, Progress(quiet=quiet))
        finally:
            platform.close()


def public_storage(environment: Mapping[str, str], region: str) -> str:
    """Return object storage's public address.

    The functions may use the region's internal one, which is not reachable from here. Raises
    Refused if it is not an address.
    """
    endpoint = _endpoint(environment, "TOS_PUBLIC_ENDPOINT") or _endpoint(
        environment, "TOS_ENDPOINT"
    )
    return (endpoint or f"https://tos-{region}.volces.com").replace("ivolces.com", "volces.com")


def wait(
    platform: Platform,
    function_id: str,
    name: str,
    clock: Clock,
    progress: Callable[[str], None],
    record: str = "",
) -> Release:
    """Wait until a function's newest release is done; return it.

    `record` is its id, if that is known: for a while the platform may return the release before.
    Raises Refused if it fails, with the platform's reason and the instance's log, or if it takes
    too long.
    """
    until = clock.now() + LONGEST_SECONDS
    shown = ""
    while True:
        found = platform.release_state(function_id)
        is_another = record and found.record and found.record != record
        if not is_another and found.state is State.DONE:
            return found
        if not is_another and found.state is State.FAILED:
            raise Refused(_failure(name, found), Exit.NEEDS_YOU)
        if found.message and found.message != shown:
            shown = found.message
            progress(f"{name}: {redact_text(shown)}")
        if clock.now() >= until:
            raise Refused(
                f"The release of {name} is still under way after {LONGEST_SECONDS:.0f} seconds, "
                "and the platform continues it. Run the same command again to wait for it, or see "
                "the function's releases (发布) in the console.",
                Exit.NEEDS_YOU,
            )
        clock.sleep(POLL_SECONDS)


def _failure(name: str, release: Release) -> str:
    lines = redact_text(release.log).strip().splitlines()[-_SHOWN_LINES:]
    log = "".join(f"\n  {line}" for line in lines)
    details = (
        f"\nThe log of the instance that did not start:{log}"
        if log
        else " There is no log: see the function's releases (发布) in the console."
    )
    reason = redact_text(release.message).rstrip(".") or "the platform gives no reason"
    return (
        f"The release of {name} failed: {reason}. The version that was released before, if any, "
        f"still runs.{details}\nFix the problem, and run the same command again."
    )


def _endpoint(environment: Mapping[str, str], name: str) -> str | None:
    value = environment.get(name, "").strip()
    try:
        return _ENDPOINT.validate_python(value) if value else None
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise Refused(f"{name} is invalid: {message}.") from None
