"""The functions work with the policy that `repaint policy` prints, and need all that is in it.

The local cloud holds every request that is signed with a role's key against the role's policy.
"""

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from typing import Any

import pytest

from local.cloud import DOMAIN, SERVICE_ID, TEMPLATE, FixedCredentials
from local.imagex import FaultSettings
from ops.deployment.policy import role_policy
from ops.deployment.serverless_yml import load
from shared.delivery import Delivery
from shared.errors import RepaintError
from shared.logs import build_log
from shared.runtime import Runtime
from shared.uploads.events import Upload
from tests.fakes import FakeClock
from tests.local.policy_engine import PolicyCloud
from tests.ops.bucket import picture
from tests.ops.command import ROOT
from tests.ops.deployment.serverless_file import EXPORTED

ROLE = "repaint"
TOKEN = "the-token-of-this-test"
SECONDS = 600.0
NUMBERS = itertools.count()


def policy_for(number: int) -> dict[str, Any]:
    """Return the policy of the project's own serverless.yml, for buckets of that number."""
    exported = {
        **EXPORTED,
        "VEIMAGEX_SERVICE_ID": SERVICE_ID,
        "VEIMAGEX_DOMAIN": DOMAIN,
        "VEIMAGEX_TEMPLATE": TEMPLATE,
        "REPAINT_UPLOAD_BUCKET": f"photos-{number}",
        "REPAINT_STATE_BUCKET": f"state-{number}",
    }
    return role_policy(load(ROOT / "serverless.yml", environment=exported, stage=None))


class World:
    """A local cloud, and the functions' parts with the key of a role that has `policy`."""

    def __init__(self, cloud: PolicyCloud, number: int, policy: Mapping[str, Any]) -> None:
        cloud.policies.set(ROLE, policy)
        cloud.store.create_bucket(f"state-{number}")
        self.settings = {
            **cloud.settings,
            "REPAINT_LEDGER": f"tos://state-{number}/ledger/",
            "REPAINT_HTTP_TOKENS": TOKEN,
        }
        self.store = cloud.store
        self.faults = cloud.faults
        self.bucket = f"photos-{number}"
        self._clock = FakeClock(time.time())
        self._keys = FixedCredentials(cloud.keys.issue(temporary=True, role=ROLE))
        self.set(REPAINT_DAILY_CAP="1000")

    def set(self, **settings: str) -> None:
        """Begin anew with some settings, as a process that was deployed with them."""
        self._runtime = Runtime(
            {**self.settings, **settings},
            log=build_log(StringIO(), "error"),
            clock=self._clock,
            credentials=self._keys,
        )

    def put(self, name: str, **metadata: str) -> Upload:
        """Put a picture that nobody is told of."""
        upload = Upload(self.bucket, f"uploads/{name}.png")
        headers = {f"x-tos-meta-{word}": value for word, value in metadata.items()}
        content = {"content-type": "image/png", **headers}
        self.store.put(upload.bucket, upload.key, picture(), content)
        return upload

    def handle(self, upload: Upload, seconds: float = SECONDS) -> str:
        """Take an upload as far as it goes in so much time; return its status."""
        (result,) = self._runtime.pipeline.handle(upload, self._delivery(seconds))
        return result.status

    def sweep(self) -> dict[str, int]:
        """Let the sweep go round, long after anything was parked."""
        self._clock.advance(SECONDS)
        return self._runtime.sweep.run(self._delivery())

    def ask(self, method: str, path: str = "/generations", **body: str) -> int:
        """Ask the HTTP door; return the answer's status."""
        event = {
            "httpMethod": method,
            "path": path,
            "headers": {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
            "body": json.dumps(body),
        }
        http_api, delivery = self._runtime.http_api, self._delivery()
        status: int = http_api.handle(event, request_id="r", delivery=delivery)["statusCode"]
        return status

    def _delivery(self, seconds: float = SECONDS) -> Delivery:
        runtime = self._runtime
        deadline = self._clock.now() + seconds
        return Delivery(runtime.ledger, runtime.storage, deadline, runtime.log)


def without_its_bucket(world: World) -> str:
    # That is a mistake in the settings: the upload must not pass for one that is gone.
    return world.handle(Upload(world.bucket, "uploads/early.png"))


def gone(world: World) -> str:
    world.store.create_bucket(world.bucket)
    return world.handle(Upload(world.bucket, "uploads/gone.png"))


def generated(world: World) -> str:
    return world.handle(world.put("made", prompt="x"))


def delivered_again(world: World) -> str:
    return world.handle(Upload(world.bucket, "uploads/made.png"))


def with_a_name(world: World) -> str:
    return world.handle(world.put("named", prompt="x", output=world.bucket))


def over_that_name(world: World) -> str:
    return world.handle(world.put("over", prompt="x", output=world.bucket, overwrite="true"))


def rejected(world: World) -> str:
    return world.handle(world.put("wrong", prompt="x", seed="abc"))


def looked_for(world: World) -> str:
    world.faults.replace(FaultSettings(latency_seconds=0, script=("lose_answer",)))
    return world.handle(world.put("lost", prompt="x"))


def parked(world: World) -> str:
    return world.handle(world.put("parked", prompt="x"), seconds=1.0)


def listed(world: World) -> int:
    return world.ask("GET")


def shown(world: World) -> int:
    return world.ask("GET", f"/generations/{'0' * 32}")


def swept(world: World) -> dict[str, int]:
    return world.sweep()


def asked_for(world: World) -> int:
    return world.ask("POST", bucket=world.bucket, key="uploads/made.png", prompt="y")


def of_a_version(world: World) -> str:
    world.store.buckets.set_versioning(world.bucket, "Enabled")
    return world.handle(world.put("version", prompt="x"))


def over_the_cap(world: World) -> str:
    world.set(REPAINT_DAILY_CAP="1")
    return world.handle(world.put("capped", prompt="x"))


WAYS: dict[Callable[[World], object], object] = {
    without_its_bucket: "deferred",
    gone: "skipped",
    generated: "generated",
    delivered_again: "duplicate",
    with_a_name: "generated",
    over_that_name: "generated",
    rejected: "rejected",
    looked_for: "generated",
    parked: "deferred",
    listed: 200,
    shown: 404,
    swept: {"pending": 2, "generated": 1, "skipped": 1},
    asked_for: 200,
    of_a_version: "generated",
    over_the_cap: "deferred",
}
"""Every way that the functions' code can go, in turn, and how each ends."""


def gone_through(world: World) -> dict[Callable[[World], object], object]:
    """Go every way, and tell how each ended."""
    ended: dict[Callable[[World], object], object] = {}
    for way in WAYS:
        try:
            ended[way] = way(world)
        except RepaintError as error:
            ended[way] = type(error).__name__
    return ended


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyCloud]:
    faults = FaultSettings(latency_seconds=0)
    with PolicyCloud(tmp_path_factory.mktemp("cloud"), bare=True, faults=faults) as cloud:
        yield cloud


def test_every_way_can_be_gone_with_the_policy(cloud: PolicyCloud) -> None:
    number = next(NUMBERS)

    assert WAYS == gone_through(World(cloud, number, policy_for(number)))


@pytest.mark.parametrize(
    ("index", "action"),
    [
        pytest.param(index, action, id=f"{action} on {statement['Resource'][0]}")
        for index, statement in enumerate(policy_for(0)["Statement"])
        for action in statement["Action"]
        # Allowed in case that HEAD is an action of its own; in the local cloud it is none.
        if action != "tos:HeadObject"
    ],
)
def test_every_action_in_the_policy_is_needed(cloud: PolicyCloud, index: int, action: str) -> None:
    number = next(NUMBERS)
    less = policy_for(number)
    statement = less["Statement"][index]
    statement["Action"].remove(action)
    if not statement["Action"]:
        less["Statement"].remove(statement)

    assert WAYS != gone_through(World(cloud, number, less))


def test_the_http_door_reads_no_bucket_that_serverless_yml_does_not_name(
    cloud: PolicyCloud,
) -> None:
    number, others = next(NUMBERS), "others"
    world = World(cloud, number, policy_for(number))
    cloud.store.create_bucket(others)
    cloud.store.put(others, "uploads/made.png", picture(), {"content-type": "image/png"})
    charges = len(cloud.billing.charges())

    status = world.ask("POST", bucket=others, key="uploads/made.png", prompt="x")

    assert (True, charges) == (status >= 400, len(cloud.billing.charges()))
