"""The policy of the functions' role: the actions that they use, on what serverless.yml names.

Each action, what it is for, and where its name is from:

* tos:GetObject: HEAD of an upload, and the address that veImageX reads it from; the ledger's
  records. 6349/102133. That HEAD needs no more is concluded from "read permission".
* tos:HeadObject: the same HEAD, should it be an action of its own, as a system policy has it.
* tos:GetObjectVersion: both for one version, in a versioned bucket. The official SDKs' documents.
* tos:HeadBucket: where an upload is missing, is its bucket there at all? Documents on bucket
  policies.
* tos:PutObject, tos:DeleteObject: the ledger's records. 6349/102133.
* tos:ListBucket: what is pending in the ledger. 6349/102133, which has the condition as well.
* ImageX:GetCVImageGenerateResult: the paid call. ImageX:GetImageStorageFiles: was it made?
  ImageX:GetResourceURL: under which address? All three concluded from the names of the calls.

How resources are written is documented for object storage. For veImageX it is taken from its
official clients, which write such policies for uploads: `trn:ImageX:*:*:ServiceId/<id>`.

A policy of Volcengine has no Version. Whether reading an object that is not there needs
tos:ListBucket to be told from one that is forbidden is not documented.
"""

from collections.abc import Iterable
from typing import Any

from ops.deployment.serverless_yml.service import Service, TosEvent
from shared.settings import load_settings

PRINCIPAL = "vefaas"
"""The service that takes on the role of a function."""
READ_UPLOADS = ("tos:GetObject", "tos:HeadObject", "tos:GetObjectVersion")
SEE_BUCKETS = ("tos:HeadBucket",)
KEEP_RECORDS = ("tos:GetObject", "tos:PutObject", "tos:DeleteObject")
FIND_RECORDS = ("tos:ListBucket",)
CALL_IMAGEX = (
    "ImageX:GetCVImageGenerateResult",
    "ImageX:GetImageStorageFiles",
    "ImageX:GetResourceURL",
)


def role_policy(service: Service) -> dict[str, Any]:
    """Return the policy that the functions' role needs, and nothing beyond it.

    Uploads can be read below the prefixes of the tos events alone, also where the HTTP door is
    asked for others. Raises SettingsError where a function's environment is not right.
    """
    settings = [load_settings(function.environment) for function in service.functions]
    uploads = {
        (event.bucket, event.prefix)
        for function in service.functions
        for event in function.events
        if isinstance(event, TosEvent)
    }
    buckets = {bucket for bucket, _ in uploads}
    ledgers = {_split(each.ledger) for each in settings}
    statements = [
        _allow(READ_UPLOADS, (f"trn:tos:::{bucket}/{prefix}*" for bucket, prefix in uploads)),
        _allow(SEE_BUCKETS, (f"trn:tos:::{bucket}" for bucket in buckets)),
        _allow(KEEP_RECORDS, (f"trn:tos:::{bucket}/{prefix}*" for bucket, prefix in ledgers)),
    ]
    for bucket, prefix in sorted(ledgers):
        statements.append(
            _allow(FIND_RECORDS, [f"trn:tos:::{bucket}"])
            | {"Condition": {"StringLike": {"tos:prefix": [f"{prefix}*"]}}}
        )
    statements.append(
        _allow(CALL_IMAGEX, (f"trn:ImageX:*:*:ServiceId/{s.service_id}" for s in settings))
    )
    return {"Statement": [statement for statement in statements if statement["Resource"]]}


def trust_policy() -> dict[str, Any]:
    """Return the policy that lets the function platform take on the role."""
    return {
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sts:AssumeRole"],
                "Principal": {"Service": [PRINCIPAL]},
            }
        ]
    }


def _allow(actions: Iterable[str], resources: Iterable[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": sorted(set(resources))}


def _split(place: str) -> tuple[str, str]:
    bucket, _, prefix = place.removeprefix("tos://").partition("/")
    return bucket, prefix
