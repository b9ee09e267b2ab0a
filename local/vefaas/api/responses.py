"""The records as the API returns them, in the official client's names."""

import json
import time
from collections.abc import Mapping
from typing import Any

from local.vefaas.api.errors import invalid
from local.vefaas.api.requests import Page
from local.vefaas.api.store import (
    INITIAL,
    PENDING,
    FunctionRecord,
    ReleaseRecord,
    RevisionRecord,
    TimerRecord,
)

Json = dict[str, Any]
_OWNER = "local"


def function(record: FunctionRecord, triggers: int) -> Json:
    """Return a function with the number of its triggers."""
    return {
        **record.config,
        "Id": record.id,
        "Name": record.name,
        "Runtime": record.runtime,
        "CodeSize": record.code_size,
        "CodeSizeLimit": 256,
        "Owner": _OWNER,
        "TriggersCount": triggers,
        **_times(record.created, record.updated),
    }


def revision(record: RevisionRecord, of: FunctionRecord) -> Json:
    """Return a revision of a function."""
    return {
        **record.config,
        "Id": of.id,
        "Name": of.name,
        "Runtime": of.runtime,
        "CodeSize": record.code_size,
        "CodeSizeLimit": 256,
        "CreationTime": moment(of.created),
        "MaxReplicas": of.resource["MaxInstance"],
        "RevisionCreationTime": moment(record.created),
        "RevisionDescription": record.description,
        "RevisionNumber": record.number,
    }


def release_status(of: FunctionRecord, release: ReleaseRecord | None) -> Json:
    """Return the status of the newest release (document 6662/1327338)."""
    if release is None:
        return {
            "FunctionId": of.id,
            "StableRevisionNumber": INITIAL,
            "Status": PENDING,
            "StatusMessage": "Function has never been released",
        }
    return {
        "FunctionId": of.id,
        "StableRevisionNumber": of.stable,
        "Status": release.status,
        "StatusMessage": release.message,
        "NewRevisionNumber": release.target,
        "OldRevisionNumber": release.source,
        "ReleaseRecordId": release.id,
        "StartTime": _moment_in_seconds(release.started),
        "TargetTrafficWeight": 100,
        # All or nothing here: a release that is not done has none of the traffic.
        **({"CurrentTrafficWeight": 0} if not release.finished or release.error_code else {}),
        **({"ErrorCode": release.error_code} if release.error_code else {}),
        **({"FailedInstanceLogs": release.logs} if release.logs else {}),
    }


def release(record: ReleaseRecord) -> Json:
    """Return a release of the past."""
    return {
        "Id": record.id,
        "FunctionId": record.function_id,
        "Description": record.description,
        "Status": record.status,
        "SourceRevisionNumber": record.source,
        "TargetRevisionNumber": record.target,
        "FinishTime": moment(record.finished) if record.finished else "",
        **_times(record.started, record.finished or record.started),
    }


def timer(record: TimerRecord) -> Json:
    """Return a timer."""
    return {
        **record.config,
        "Id": record.id,
        "FunctionId": record.function_id,
        "Name": record.name,
        **_times(record.created, record.updated),
    }


def timer_trigger(record: TimerRecord) -> Json:
    """Return a timer as one of a function's triggers."""
    return {
        "Id": record.id,
        "Type": "timer",
        "Name": record.name,
        "Description": record.config["Description"],
        "Enabled": record.config["Enabled"],
        "AccountID": _OWNER,
        "FunctionID": record.function_id,
        "DetailedConfig": "",
        **_times(record.created, record.updated),
    }


def tos_trigger(bucket: str, rule: Mapping[str, Any], function_id: str) -> Json:
    """Return a bucket's notification rule as one of a function's triggers."""
    detail = {"BucketName": bucket, "Events": rule["Events"], "Filter": rule["Filter"]}
    return {
        "Id": rule["RuleId"],
        "Type": "tos",
        "Name": rule["RuleId"],
        "Description": "",
        "Enabled": True,
        "AccountID": _OWNER,
        "FunctionID": function_id,
        "DetailedConfig": json.dumps(detail),
    }


def page(
    items: list[Json], request: Page, known: tuple[str, ...], *, by_part: bool = False
) -> Json:
    """Return the requested page of a list, filtered by the properties that are `known`.

    A filter compares whole values, or parts of them. Raises ApiError for an unknown filter.
    """
    for each in request.filters:
        if each.name not in known:
            raise invalid("Filters", f"{each.name!r} is none of {', '.join(known)}")
        items = [
            item
            for item in items
            for value in [str(item[each.name])]
            if any(v in value if by_part else v == value for v in each.values)
        ]
    first = (request.page_number - 1) * request.page_size
    return {"Items": items[first : first + request.page_size], "Total": len(items)}


def moment(at: float) -> str:
    """Write a moment in the form of most answers."""
    return f"{_moment_in_seconds(at)}.{int(at % 1 * 1000):03d} +0000 UTC"


def _times(created: float, updated: float) -> Json:
    return {"CreationTime": moment(created), "LastUpdateTime": moment(updated)}


def _moment_in_seconds(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
