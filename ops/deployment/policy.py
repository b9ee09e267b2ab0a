"""The policy of the functions' role: the actions that they use, on what serverless.yml names.

Each action, its purpose, and the source of its name:

* tos:GetObject: HEAD of an upload, and its download by veImageX; the ledger's records.
  6349/102133. That HEAD needs no more is concluded from "read permission".
* tos:HeadObject: the same HEAD, should it be an action of its own, as in a system policy.
* tos:GetObjectVersion: both for one version, in a versioned bucket. The official SDKs' documents.
* tos:HeadBucket: if an upload is missing, does its bucket exist? Documents on bucket policies.
* tos:PutObject, tos:DeleteObject: the ledger's records. 6349/102133.
* tos:ListBucket: the pending records in the ledger. 6349/102133, which has the condition as well.
* ImageX:GetCVImageGenerateResult: the paid call. ImageX:GetImageStorageFiles: the probe.
  ImageX:GetResourceURL: the image's address. All three are concluded from the names of the calls.

The form of resources is documented for object storage. For veImageX it is that of its official
clients, which write such policies for uploads: `trn:ImageX:*:*:ServiceId/<id>`.

A policy of Volcengine has no Version. It is not documented whether GET needs tos:ListBucket to
answer a missing object with 404 instead of 403.
"""

from collections.abc import Iterable
from typing import Any

from ops.deployment.serverless_yml import Service, TosEvent
from shared.settings import load_settings

_PRINCIPAL = "vefaas"
"""The service that assumes the role of a function."""
_READ_UPLOADS = ("tos:GetObject", "tos:HeadObject", "tos:GetObjectVersion")
_HEAD_BUCKETS = ("tos:HeadBucket",)
_WRITE_RECORDS = ("tos:GetObject", "tos:PutObject", "tos:DeleteObject")
_LIST_RECORDS = ("tos:ListBucket",)
_CALL_IMAGEX = (
    "ImageX:GetCVImageGenerateResult",
    "ImageX:GetImageStorageFiles",
    "ImageX:GetResourceURL",
)


def role_policy(service: Service) -> dict[str, Any]:
    """Return the policy that the functions' role needs, and no more.

    Uploads can be read only below the prefixes of the tos events, also by the HTTP API. Raises
    SettingsError if a function's environment is invalid.
    """
    settings = [load_settings(function.environment) for function in service.functions]
    uploads = {
        (event.bucket, event.prefix)
        for function in service.functions
        for event in function.events
        if isinstance(event, TosEvent)
    }
    buckets = {bucket for bucket, _ in uploads}
    ledgers = {_split(s.ledger) for s in settings}
    statements = [
        _allow(_READ_UPLOADS, (f"trn:tos:::{bucket}/{prefix}*" for bucket, prefix in uploads)),
        _allow(_HEAD_BUCKETS, (f"trn:tos:::{bucket}" for bucket in buckets)),
        _allow(_WRITE_RECORDS, (f"trn:tos:::{bucket}/{prefix}*" for bucket, prefix in ledgers)),
    ]
    for bucket, prefix in sorted(ledgers):
        statements.append(
            _allow(_LIST_RECORDS, [f"trn:tos:::{bucket}"])
            | {"Condition": {"StringLike": {"tos:prefix": [f"{prefix}*"]}}}
        )
    statements.append(
        _allow(_CALL_IMAGEX, (f"trn:ImageX:*:*:ServiceId/{s.service_id}" for s in settings))
    )
    return {"Statement": [statement for statement in statements if statement["Resource"]]}


def trust_policy() -> dict[str, Any]:
    """Return the policy that lets the function platform assume the role."""
    return {
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sts:AssumeRole"],
                "Principal": {"Service": [_PRINCIPAL]},
            }
        ]
    }


def _allow(actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": sorted(set(resources))}


def _split(address: str) -> tuple[str, str]:
    bucket, _, prefix = address.removeprefix("tos://").partition("/")
    return bucket, prefix
