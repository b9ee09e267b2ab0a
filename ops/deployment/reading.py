"""Read what there is on the platform for some functions of a service."""

from collections.abc import Sequence

from ops.deployment.buckets import Buckets
from ops.deployment.platform import Platform
from ops.deployment.serverless_yml.service import Service
from ops.deployment.state import Found


def read(
    platform: Platform,
    buckets: Buckets,
    service: Service,
    names: Sequence[str] | None,
    of_events: Sequence[str],
) -> Found:
    """Return the functions of these names, and the rules of buckets that call them or are to.

    Where `names` is None, they are all that serverless.yml has or that were deployed for its
    service and stage. `of_events` are the buckets that it names. Raises Refusal, TosError,
    NoAnswer, CredentialsError.
    """
    known = [function.deployed_name for function in service.functions]
    listed = platform.functions()
    orphans = [
        each.name
        for each in listed
        if each.name not in known and each.mark and each.mark.is_of(service)
    ]
    asked = (*known, *orphans) if names is None else names
    functions = {each.name: platform.deployed(each.id) for each in listed if each.name in asked}
    told = {bucket for function in functions.values() for bucket in function.buckets}
    return Found(
        functions=functions,
        rules={name: buckets.rules(name) for name in dict.fromkeys((*of_events, *sorted(told)))},
        orphans=tuple(name for name in orphans if name not in asked),
    )
