"""The functions of this source tree, run on a local cloud without being packaged and deployed."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.tos import ObjectStore
from local.vefaas.runtime import FunctionSpec, Platform

ROOT = Path(__file__).resolve().parent.parent
UPLOADS_BUCKET = "photos"
UPLOAD_PREFIX = "uploads/"
UPLOAD_FUNCTION = "repaint-upload"
HTTP_FUNCTION = "repaint-http"
SWEEP_FUNCTION = "repaint-sweep"
SWEEP_TIMER = "sweep"
SWEEP_SECONDS = 60.0
_RULE = "repaint"


@dataclass(frozen=True, slots=True)
class Scale:
    """How many requests run at once, and the period of the sweep."""

    instances: int = 1
    max_concurrency: int = 64
    sweep_seconds: float = SWEEP_SECONDS


def start(
    platform: Platform,
    store: ObjectStore,
    folder: Path,
    settings: Mapping[str, str],
    http_token: str,
    scale: Scale,
) -> None:
    """Run the three functions with these settings, and connect their triggers."""

    def deploy(name: str, source: str, instances: int = 1, **environment: str) -> str:
        code = assemble(source, folder / source)
        variables = {**settings, **environment}
        spec = FunctionSpec(
            name, code, variables, max_concurrency=scale.max_concurrency, instances=instances
        )
        return platform.deploy(spec)

    _connect(store, deploy(UPLOAD_FUNCTION, "upload", scale.instances))
    deploy(SWEEP_FUNCTION, "sweep")
    platform.add_timer(SWEEP_FUNCTION, SWEEP_TIMER, scale.sweep_seconds)
    deploy(HTTP_FUNCTION, "http", REPAINT_HTTP_TOKENS=http_token)


def disconnect(store: ObjectStore) -> None:
    """Remove the rule of a cloud that ran the built-in functions on this storage before."""
    bucket = store.buckets.get(UPLOADS_BUCKET)
    rules = [rule for rule in bucket.rules if rule["RuleId"] != _RULE]
    if rules != bucket.rules:
        store.buckets.set_rules(UPLOADS_BUCKET, rules, bucket.rules_version)


def assemble(function: str, folder: Path) -> Path:
    """Put a function's code into `folder`, as in its zip: index.py at the root and shared/.

    The packages of its requirements are left out.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(
        ROOT / "shared", folder / "shared", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy2(ROOT / "functions" / function / "index.py", folder / "index.py")
    return folder


def _connect(store: ObjectStore, function_id: str) -> None:
    rule = {
        "RuleId": _RULE,
        "Events": ["tos:ObjectCreated:*"],
        "Filter": {"TOSKey": {"FilterRules": [{"Name": "prefix", "Value": UPLOAD_PREFIX}]}},
        "Destination": {"VeFaaS": [{"FunctionId": function_id}]},
    }
    version = store.buckets.get(UPLOADS_BUCKET).rules_version
    store.buckets.set_rules(UPLOADS_BUCKET, [rule], version)
