"""The whole way, as a user goes it: real zips, the official client, a photograph repainted.

The functions run with nothing but what their zips hold, and with a role that may do what `repaint
policy` prints. Each command is a process of its own.
"""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tos
from tos.exceptions import TosServerError

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, FixedCredentials
from ops.deployment.model import Mark, Setup
from ops.deployment.package.bytecode import find_interpreter, python_version
from ops.deployment.serverless_yml.model import RUNTIME
from ops.deployment.vefaas import Client, Vefaas
from shared.signing import Credentials
from tests.ops.command import ROOT, document
from tests.ops.deployment.deploying import ROLE, World, deploying, small_zip, this_project
from tests.ops.deployment.fake_platform import others

# The official client calls it with every request.
pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning"),
    pytest.mark.skipif(
        find_interpreter(python_version(RUNTIME)) is None, reason=f"no {RUNTIME} to run zips"
    ),
]

CAT = (ROOT / "examples" / "images" / "chelsea.png").read_bytes()
PATIENCE = 60  # seconds that are waited at most for what is certain to come


@contextmanager
def storage(world: World, keys: Credentials) -> Iterator[Any]:
    """Yield object storage's official client, which reaches the cloud as its proxy."""
    client = tos.TosClientV2(
        keys.access_key,
        keys.secret_key,
        "http://tos-cn-beijing.volces.com",
        "cn-beijing",
        security_token=keys.session_token,
        proxy_host="127.0.0.1",
        proxy_port=world.cloud.tos.port,
        dns_cache_time=0,
    )
    yield client
    client.session.close()


def upload(world: World, key: str) -> None:
    """Upload a photograph with its prompt, as any application does."""
    with storage(world, world.cloud.credentials) as client:
        client.put_object(
            UPLOADS_BUCKET, key, content=CAT, content_type="image/png", meta={"prompt": "水彩画"}
        )


def repainted(world: World, number: int) -> list[str]:
    """Wait until so many images were made; return how many of their uploads are told generated."""
    until = time.monotonic() + PATIENCE
    with storage(world, world.cloud.credentials) as client:
        while True:
            ended = client.list_objects_type2(STATE_BUCKET, prefix="ledger/done/").contents
            if len(ended) >= number:
                break
            assert time.monotonic() < until, world.cloud.control_plane.platform.states
            time.sleep(0.1)
        bodies = [client.get_object(STATE_BUCKET, found.key).read() for found in ended]
    return [json.loads(body)["state"] for body in bodies]


def carried_out(world: World, *arguments: str) -> Any:
    """Run a command that does something; return what it did, as JSON."""
    done = world.repaint(*arguments, "--yes", "--json")
    assert 0 == done.returncode, done.stderr
    return document(done)


def told(plan: Any) -> list[str]:
    """Return the steps of a plan that was printed as JSON."""
    return [f"{step['action']} {step['what']}" for step in plan["steps"]]


def changed(plan: Any) -> list[tuple[str, str, str]]:
    """Return the fields that a plan changes, with what they were and what they become."""
    return [
        (change["field"], change["before"], change["after"])
        for step in plan["steps"]
        for change in step["changes"]
    ]


def put_rule_of_others(world: World) -> Any:
    """Have somebody else's function called for the same bucket's objects; return the rule."""
    vefaas = Vefaas(
        Client("cn-beijing", world.cloud.vefaas.address, FixedCredentials(world.cloud.credentials))
    )
    setup, mark = Setup(512, 30, 10, None, None, {}), Mark("theirs", "dev")
    function_id = vefaas.create("theirs", "python3.11/v1", setup, mark, small_zip())
    vefaas.release(function_id, 0, mark)
    while vefaas.release_state(function_id).is_under_way:
        time.sleep(0.05)
    vefaas.close()
    rule = {**others(called=function_id), "Destination": {"VeFaaS": [{"FunctionId": function_id}]}}
    world.cloud.store.buckets.set_rules(UPLOADS_BUCKET, [rule], None)
    return rule


def test_deploy_upload_change_roll_back_and_remove(tmp_path: Path) -> None:
    with deploying(tmp_path, this_project) as world:
        theirs = put_rule_of_others(world)

        # Deployed, and a second time there is nothing to do.
        first = carried_out(world, "deploy")
        assert [
            "create function repaint-dev-upload",
            "release function repaint-dev-upload",
            "create function repaint-dev-http",
            "release function repaint-dev-http",
            "create function repaint-dev-sweep",
            "release function repaint-dev-sweep",
            "create timer sweep-889a102d",
            "change rules of bucket photos",
        ] == told(first)
        assert ([], True) == (told(carried_out(world, "deploy")), first["done"])

        # A photograph is repainted by the code out of the zip.
        upload(world, "uploads/cat.png")
        assert ["generated"] == repainted(world, 1)
        assert 1 == len(world.cloud.billing.charges())

        # What the functions' role is not given is refused, also to them.
        keys = world.cloud.keys.issue(temporary=True, role=ROLE)
        with storage(world, keys) as client:
            assert 404 == status_of(lambda: client.get_object(UPLOADS_BUCKET, "uploads/none.png"))
            assert 403 == status_of(lambda: client.put_object(UPLOADS_BUCKET, "x", content=b"x"))

        # A setting that was changed is all that the next one changes.
        world.edit("timeout: 180", "timeout: 240")
        second = carried_out(world, "deploy")
        assert [("timeout", "180", "240")] == changed(second)
        assert ["change function repaint-dev-upload", "release function repaint-dev-upload"] == (
            told(second)
        )

        # Rolled back; then the difference is shown again, and uploads go on.
        back = carried_out(world, "rollback")
        assert [("timeout", "240", "180")] == changed(back)
        again = document(world.repaint("deploy", "--dry-run", "--json"))
        assert (["release function repaint-dev-upload"], [("timeout", "180", "240")]) == (
            told(again),
            changed(again),
        )
        upload(world, "uploads/another.png")
        assert ["generated"] * 2 == repainted(world, 2)

        # Removed: what is others', what was uploaded and what is in the ledger stays.
        removed = carried_out(world, "remove")
        assert "change rules of bucket photos" == told(removed)[0]
        assert [] == told(carried_out(world, "remove"))
        assert [theirs] == world.cloud.store.buckets.get(UPLOADS_BUCKET).rules
        assert ["theirs"] == [s.name for s in world.cloud.control_plane.platform.states]
        assert ["generated"] * 2 == repainted(world, 2)


def status_of(call: Any) -> int:
    """Return the status with which the official client's call is refused."""
    with pytest.raises(TosServerError) as refused:
        call()
    status: int = refused.value.status_code
    return status
