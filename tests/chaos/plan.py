"""The uploads and the faults of a run: the seed determines them."""

import random
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Literal

from PIL import Image

from local.imagex import FaultSettings

TIMEOUT_SECONDS, SETTLE_SECONDS = 1.0, 3.0
# The paid call takes up to 1.05 s: one in twenty is answered, and stored, after its caller gave up.
FAULTS = FaultSettings(
    latency_seconds=0.05,
    latency_jitter_seconds=1.0,
    lose_answer=0.02,
    lose_request=0.02,
    commit_late=0.02,
    commit_late_seconds=0.8,
    charge_without_storing=0.003,
    executed_before_error=0.5,
    probe_errors=0.1,
    error_rates={
        "garbage": 0.01,
        "truncated": 0.01,
        "http_502": 0.01,
        "http_504": 0.005,
        "InternalError": 0.01,
        "50500": 0.005,
        "ServiceUnavailableTemp": 0.01,
        "FlowLimitExceeded": 0.005,
        "50429": 0.005,
    },
)
# Ten retries are over before a killed owner's lease is: then only the sweep can help.
RETRY_DELAYS = (0.1, 0.2)
REFUSED = ("[refuse]", "敏感词", "[copyright]", "[no-face]", "[review-down]", "[refuse-output]")
INVALID = ({"seed": "abc"}, {"steps": "99"}, {"output": "a~b"}, {"req-json": "{"})

Store = Literal["tos", "sqlite"]
Kind = Literal[
    "plain", "refused", "refused once", "invalid", "no prompt",
    "named", "same name", "overwriting", "replaced",
]  # fmt: skip
SHARES: dict[Kind, float] = {
    "plain": 84, "refused": 4, "refused once": 1, "invalid": 2, "no prompt": 1,
    "named": 2, "same name": 1, "overwriting": 1, "replaced": 4,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChaosPlan:
    """The parameters of one run. Times are in seconds, `qps` is the provider's limit."""

    uploads: int
    seed: int
    instances: int = 7
    concurrency: int = 16
    qps: float = 36.0
    kill_every: float = 3.0
    backlog: int = 400
    rest_within: float = 300.0


@dataclass(frozen=True, slots=True)
class PlannedUpload:
    """An object to put; `etag` and the `id` of its record are known afterwards."""

    key: str
    kind: Kind
    metadata: dict[str, str]
    picture: int
    etag: str = ""
    id: str = ""


def planned(plan: ChaosPlan) -> list[PlannedUpload]:
    """Return the uploads in order. A key that is replaced comes twice."""
    rng = random.Random(plan.seed)
    kinds = rng.choices(list(SHARES), list(SHARES.values()), k=plan.uploads)
    uploads: list[PlannedUpload] = []
    for number, kind in enumerate(kinds):
        metadata = _metadata(kind, number, rng, names=1 + plan.uploads // 200)
        uploads.append(PlannedUpload(f"uploads/{number:06}.png", kind, metadata, 2 * number))
    for number, kind in reversed(list(enumerate(kinds))):
        if kind == "replaced":
            # Put at any time from at once to well after the first one ended.
            place = number + 1 + rng.randrange(plan.backlog)
            uploads.insert(place, replace(uploads[number], picture=2 * number + 1))
    return uploads[: plan.uploads]


def _metadata(kind: Kind, number: int, rng: random.Random, names: int) -> dict[str, str]:
    prompt = f"水彩 {number}"
    match kind:
        case "refused":
            return {"prompt": f"{rng.choice(REFUSED)} {number}"}
        case "refused once":
            return {"prompt": f"违规一次 {number}"}
        case "invalid":
            return {"prompt": prompt, **rng.choice(INVALID)}
        case "no prompt":
            return {}
        case "named":
            return {"prompt": prompt, "output": f"named/{number}.png"}
        case "same name":
            return {"prompt": prompt, "output": f"same/{rng.randrange(names)}.png"}
        case "overwriting":
            name = f"over/{rng.randrange(names)}.png"
            return {"prompt": prompt, "output": name, "overwrite": "true"}
        case "plain" | "replaced":
            return {"prompt": prompt}


def picture(seed: int) -> bytes:
    """Return a small picture, different for each seed."""
    file = BytesIO()
    pixels = random.Random(seed).randbytes(16 * 16 * 3)
    Image.frombytes("RGB", (16, 16), pixels).save(file, "PNG")
    return file.getvalue()
