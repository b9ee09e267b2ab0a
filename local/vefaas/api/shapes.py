"""How functions, revisions, releases and triggers are told, in the official client's words."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from local.vefaas.api.records import (
    INITIAL,
    PENDING,
    Function,
    Release,
    Revision,
    Timer,
    moment,
    short_moment,
)
from local.vefaas.api.refusals import invalid
from local.vefaas.api.requests import Filter

Shape = dict[str, Any]
OWNER = "local"
T = TypeVar("T")

DEFAULTS: dict[str, Any] = {
    "Description": "",
    "ExclusiveMode": False,
    "RequestTimeout": 30,
    "MaxConcurrency": 100,
    "MemoryMB": 1024,
    "Envs": [],
    "SourceType": "zip",
    "TlsConfig": {"EnableLog": False},
    "VpcConfig": {"EnableVpc": False},
}
"""What a function is where it is not told otherwise (document 6662/1262132)."""

RESOURCE = {"MinInstance": 0, "MaxInstance": 100, "IdleInstance": 0, "ReservedFrozenInstance": 0}


def function(told: Function, triggers: int) -> Shape:
    """Tell a function."""
    return {
        **told.config,
        "Id": told.id,
        "Name": told.name,
        "Runtime": told.runtime,
        "CodeSize": told.code_size,
        "CodeSizeLimit": 256,
        "CreationTime": moment(told.created),
        "LastUpdateTime": moment(told.updated),
        "Owner": OWNER,
        "TriggersCount": triggers,
    }


def revision(told: Revision, of: Function) -> Shape:
    """Tell a revision of a function."""
    return {
        **told.config,
        "Id": of.id,
        "Name": of.name,
        "Runtime": of.runtime,
        "CodeSize": told.code_size,
        "CodeSizeLimit": 256,
        "CreationTime": moment(of.created),
        "MaxReplicas": of.resource["MaxInstance"],
        "RevisionCreationTime": moment(told.created),
        "RevisionDescription": told.description,
        "RevisionNumber": told.number,
    }


def status(of: Function, release: Release | None) -> Shape:
    """Tell how the newest release goes (document 6662/1327338)."""
    shape: Shape = {"FunctionId": of.id, "StableRevisionNumber": of.stable}
    if release is None:
        return {
            **shape,
            "StableRevisionNumber": INITIAL,
            "Status": PENDING,
            "StatusMessage": "Function has never been released",
        }
    return {
        **shape,
        "Status": release.status,
        "StatusMessage": release.message,
        "NewRevisionNumber": release.target,
        "OldRevisionNumber": release.source,
        "ReleaseRecordId": release.id,
        "StartTime": short_moment(release.started),
        "TargetTrafficWeight": 100,
        # All or nothing here: what is not done yet has none of the traffic.
        **({"CurrentTrafficWeight": 0} if not release.finished or release.error_code else {}),
        **({"ErrorCode": release.error_code} if release.error_code else {}),
        **({"FailedInstanceLogs": release.logs} if release.logs else {}),
    }


def release_record(told: Release) -> Shape:
    """Tell a release of the past."""
    return {
        "Id": told.id,
        "FunctionId": told.function_id,
        "Description": told.description,
        "Status": told.status,
        "SourceRevisionNumber": told.source,
        "TargetRevisionNumber": told.target,
        "CreationTime": moment(told.started),
        "LastUpdateTime": moment(told.finished or told.started),
        "FinishTime": moment(told.finished) if told.finished else "",
    }


def timer(told: Timer) -> Shape:
    """Tell a timer."""
    return {
        **told.config,
        "Id": told.id,
        "FunctionId": told.function_id,
        "Name": told.name,
        "CreationTime": moment(told.created),
        "LastUpdateTime": moment(told.updated),
    }


def timer_trigger(told: Timer) -> Shape:
    """Tell a timer as one of a function's triggers."""
    return {
        "Id": told.id,
        "Type": "timer",
        "Name": told.name,
        "Description": told.config["Description"],
        "Enabled": told.config["Enabled"],
        "AccountID": OWNER,
        "FunctionID": told.function_id,
        "DetailedConfig": "",
        "CreationTime": moment(told.created),
        "LastUpdateTime": moment(told.updated),
    }


def tos_trigger(bucket: str, rule: Mapping[str, Any], function_id: str) -> Shape:
    """Tell a bucket's notification rule as one of a function's triggers."""
    detail = {"BucketName": bucket, "Events": rule["Events"], "Filter": rule["Filter"]}
    return {
        "Id": rule["RuleId"],
        "Type": "tos",
        "Name": rule["RuleId"],
        "Description": "",
        "Enabled": True,
        "AccountID": OWNER,
        "FunctionID": function_id,
        "DetailedConfig": json.dumps(detail),
    }


def page(items: list[Shape], number: int, size: int) -> Shape:
    """Tell one page of a list."""
    first = (number - 1) * size
    return {"Items": items[first : first + size], "Total": len(items)}


def filtered(
    items: list[Shape], filters: Iterable[Filter], known: tuple[str, ...], *, by_part: bool = False
) -> list[Shape]:
    """Leave out what a filter does not let through, which compares whole values or parts of them.

    Raises Refusal for a filter that is not known.
    """
    for each in filters:
        if each.name not in known:
            raise invalid("Filters", f"{each.name!r} is none of {', '.join(known)}")
        items = [
            item
            for item in items
            if any(
                v in str(item[each.name]) if by_part else v == str(item[each.name])
                for v in each.values
            )
        ]
    return items
