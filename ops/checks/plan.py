"""Which checks there are for given settings, in which order, and which need which."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ops.checks.access import Access
from ops.checks.checks import Check, not_checked
from ops.checks.conditions import Conditions
from ops.checks.imagex import Service
from ops.checks.reach import Reach
from ops.checks.scratch import Scratch
from ops.checks.sqlite import LedgerFile
from ops.checks.storage import StateBucket, upload_bucket
from ops.checks.trigger import Rules
from ops.checks.wire import Wire
from shared.clients.credentials import CredentialSource
from shared.settings import Settings

_NO_BUCKET = "Name the bucket that pictures are uploaded to: --bucket <name>."
_SIGNED = ("credentials", "object storage")
_SIGNED_IMAGEX = ("credentials", "veImageX")

# What is told as not checked where not even the settings are right.
SUBJECTS = ("credentials", "object storage", "veImageX", "clock", "state", "service", "trigger")


def plan(
    settings: Settings, credentials: CredentialSource, wire: Wire, buckets: Sequence[str]
) -> list[Check]:
    """Return every check, each behind those that it needs or follows."""
    service = Service(wire, settings)
    return [
        Check("credentials", Access(credentials, settings.credential_file).look),
        *_reach(wire),
        *_state(settings, wire, buckets),
        *_imagex(service),
        *_uploads(settings, wire, buckets, service),
    ]


def _reach(wire: Wire) -> list[Check]:
    reach = Reach(wire)
    checks = [Check("object storage", reach.storage), Check("veImageX", reach.imagex)]
    if wire.tos_public_endpoint != wire.tos_endpoint:
        checks.append(Check("public object storage", reach.public_storage))
    return [*checks, Check("clock", reach.clock, after=tuple(check.name for check in checks))]


def _state(settings: Settings, wire: Wire, buckets: Sequence[str]) -> list[Check]:
    if settings.ledger is None and not buckets:
        return [Check("state", lambda: not_checked("REPAINT_LEDGER is not set.", _NO_BUCKET))]
    places = dict.fromkeys(settings.ledger_for(bucket) for bucket in buckets or ("",))
    checks: list[Check] = []
    for place in places:
        scheme, _, rest = place.partition("://")
        if scheme == "sqlite":
            return _file(Path(rest))
        bucket, _, prefix = rest.partition("/")
        of = f" of {bucket}" if len(places) > 1 else ""
        checks += _state_bucket(settings, wire, (bucket, prefix), of)
    return checks


def _file(path: Path) -> list[Check]:
    file = LedgerFile(path)
    return [
        Check("state file", file.writable),
        Check("state file's place", file.shared),
    ]


def _state_bucket(settings: Settings, wire: Wire, place: tuple[str, str], of: str) -> list[Check]:
    state, scratch = StateBucket(wire, *place), Scratch(wire, *place)
    conditions, rules = Conditions(scratch), Rules(wire, place[0], settings)
    bucket = Check(f"state bucket{of}", state.exists, needs=_SIGNED, after=("clock",))
    versioning = Check(f"state's versioning{of}", state.versioning, needs=(bucket.name,))
    # In a versioned bucket every trial would stay there for ever.
    needs = (bucket.name, versioning.name)
    trials = [
        Check(f"create-only writes{of}", conditions.create_only, needs=needs),
        Check(f"compare-and-swap{of}", conditions.compare_and_swap, needs=needs),
        Check(f"listing and removal{of}", conditions.listing, needs=needs),
    ]
    return [
        bucket,
        versioning,
        *trials,
        Check(
            f"scratch keys{of}",
            scratch.look,
            needs=(bucket.name,),
            after=tuple(trial.name for trial in trials),
        ),
        Check(f"trigger and state{of}", partial(rules.state, place[1]), needs=(bucket.name,)),
    ]


def _imagex(service: Service) -> list[Check]:
    return [
        Check("service", service.exists, needs=_SIGNED_IMAGEX, after=("clock",)),
        Check("domain", service.domain, needs=("service",)),
        Check("template", service.templates, needs=("service",)),
        Check("looking for outputs", service.probe, needs=("service",)),
        Check("model", service.model, needs=("service",)),
    ]


def _uploads(
    settings: Settings, wire: Wire, buckets: Sequence[str], service: Service
) -> list[Check]:
    if not buckets:
        return [
            Check("trigger", lambda: not_checked("No upload bucket was named.", _NO_BUCKET)),
        ]
    checks = []
    for bucket in dict.fromkeys(buckets):
        of = f" of {bucket}" if len(set(buckets)) > 1 else ""
        rules = Rules(wire, bucket, settings)
        uploads = f"upload bucket{of}"
        trigger = f"trigger{of}"
        checks += [
            Check(uploads, partial(upload_bucket, wire, bucket), needs=_SIGNED, after=("clock",)),
            Check(trigger, rules.calls, needs=(uploads,)),
            Check(f"trigger and prefixes{of}", rules.prefixes, needs=(trigger,)),
            Check(
                f"trigger and outputs{of}",
                partial(rules.outputs, service),
                needs=(trigger,),
                after=("service",),
            ),
        ]
    return checks
