"""The whole way of a picture through functions that were deployed to the local cloud."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import urllib3
import volcenginesdkvefaas as sdk
from PIL import Image, ImageChops

from local.cloud import (
    DOMAIN,
    SERVICE_ID,
    STATE_BUCKET,
    TEMPLATE,
    UPLOAD_FUNCTION,
    UPLOADS_BUCKET,
    Cloud,
)
from local.imagex import FaultSettings
from tests.local.vefaas.plane_world import ECHO, Operator, code, operator, packed

pytestmark = pytest.mark.filterwarnings(
    # The official client's own, on Python 3.12 and later.
    "ignore:datetime.datetime.utcnow:DeprecationWarning"
)
CAT = (Path(__file__).parents[3] / "examples" / "images" / "chelsea.png").read_bytes()
QUICK = FaultSettings(latency_seconds=0.0)
ENVIRONMENT = {
    "VEIMAGEX_SERVICE_ID": SERVICE_ID,
    "VEIMAGEX_DOMAIN": DOMAIN,
    "VEIMAGEX_TEMPLATE": TEMPLATE,
    "REPAINT_LEDGER": f"tos://{STATE_BUCKET}/ledger/",
}


class Log:
    """What the functions wrote, line by line."""

    def __init__(self) -> None:
        self.text: list[str] = []

    def __call__(self, _function: str, line: str) -> None:
        self.text.append(line)

    def named(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.text if line.startswith("{"))
        return [line for line in lines if line["event"] == event]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def cloud(tmp_path: Path, log: Log) -> Iterator[Cloud]:
    with Cloud(tmp_path / "cloud", bare=True, faults=QUICK, on_log=log) as cloud:
        yield cloud


@pytest.fixture
def op(cloud: Cloud) -> Iterator[Operator]:
    with operator(cloud.vefaas.address, cloud.credentials) as who:
        yield who


def deploy(op: Operator, door: str, **environment: str) -> str:
    """Deploy a function of this source tree by an address, as large code is."""
    function_id = op.create(
        f"repaint-dev-{door}",
        envs={**ENVIRONMENT, **environment},
        role="trn:iam::2100000001:role/repaint",
        request_timeout=120,
    )
    op.upload(function_id, packed(door))
    status = op.release(function_id)
    assert "done" == status.status, status
    return function_id


def connect(cloud: Cloud, function_id: str) -> None:
    rule = {
        "Events": ["tos:ObjectCreated:*"],
        "Filter": {"TOSKey": {"FilterRules": [{"Name": "prefix", "Value": "uploads/"}]}},
        "Destination": {"VeFaaS": [{"FunctionId": function_id}]},
    }
    version = cloud.store.buckets.get(UPLOADS_BUCKET).rules_version
    cloud.store.buckets.set_rules(UPLOADS_BUCKET, [rule], version)


def put(cloud: Cloud, key: str = "uploads/a.png") -> None:
    storage = cloud.runtime().storage(None)
    storage.put(
        UPLOADS_BUCKET, key, CAT, content_type="image/png", metadata={"prompt": "watercolour"}
    )


def test_a_picture_is_repainted_by_the_code_out_of_the_zip(
    cloud: Cloud, op: Operator, log: Log
) -> None:
    connect(cloud, deploy(op, "upload"))

    put(cloud)

    assert cloud.platform.wait_idle()
    (made,) = log.named("image.generated")
    (charge,) = cloud.billing.charges()
    assert "watercolour" == charge.prompt
    answer = urllib3.request("GET", made["image_urls"][0], timeout=10.0)
    before, after = Image.open(BytesIO(CAT)), Image.open(BytesIO(answer.data))
    assert before.size == after.size
    changed = ImageChops.difference(before.convert("RGB"), after.convert("RGB"))
    assert changed.getbbox() is not None


def test_the_code_of_the_repository_is_not_what_runs(
    cloud: Cloud, op: Operator, tmp_path: Path
) -> None:
    text = "import shared, json\ndef handler(e, c): return {'body': json.dumps(shared.__file__)}"
    op.deploy("where-am-i", code(text, **{"shared/__init__.py": ""}))

    file = Path(json.loads(cloud.platform.invoke("where-am-i", {}).body))

    assert file.is_relative_to(tmp_path / "cloud" / "vefaas" / "revisions")


def test_the_http_door_and_the_sweep_are_deployed_as_well(
    cloud: Cloud, op: Operator, log: Log
) -> None:
    deploy(op, "http", REPAINT_HTTP_TOKENS="secret")
    sweep = deploy(op, "sweep")
    put(cloud, "elsewhere/a.png")
    made = op.api.create_timer(
        sdk.CreateTimerRequest(function_id=sweep, name="sweep", crontab="*/1 * * * *")
    )

    answer = urllib3.request(
        "POST",
        f"{cloud.gateway.address}/generations",
        headers={"Authorization": "Bearer secret", "Content-Type": "application/json"},
        body=json.dumps({"bucket": UPLOADS_BUCKET, "key": "elsewhere/a.png", "prompt": "oil"}),
        timeout=60.0,
    )

    assert (200, "generated") == (answer.status, answer.json()["status"])
    assert cloud.platform.tick(made.id).failure is None
    assert 1 == len(log.named("sweep.finished"))
    console = urllib3.request("GET", f"{cloud.console.address}/api/state", timeout=10.0).json()
    assert "repaint-dev-sweep" == console["records"]["sweep"]["function"]


def test_a_cloud_that_starts_again_repaints_with_what_was_deployed(tmp_path: Path) -> None:
    with (
        Cloud(tmp_path / "c", bare=True, faults=QUICK) as first,
        operator(first.vefaas.address, first.credentials) as op,
    ):
        connect(first, deploy(op, "upload"))

    with Cloud(tmp_path / "c", bare=True, faults=QUICK) as second:
        put(second)
        assert second.platform.wait_idle()
        assert 1 == len(second.billing.charges())


def test_a_cloud_with_deployed_functions_does_not_run_its_own_beside_them(tmp_path: Path) -> None:
    with (
        Cloud(tmp_path / "c", bare=True) as first,
        operator(first.vefaas.address, first.credentials) as op,
    ):
        op.create("paint-one", code(ECHO))

    with pytest.raises(RuntimeError, match="start a bare cloud there"), Cloud(tmp_path / "c"):
        pass
    with Cloud(tmp_path / "c", bare=True) as again:
        assert {} == again.platform.functions


def test_a_bare_cloud_forgets_the_rule_of_one_that_ran_its_own_functions(tmp_path: Path) -> None:
    with Cloud(tmp_path / "c") as own:
        (rule,) = own.store.buckets.get(UPLOADS_BUCKET).rules
        (function,) = rule["Destination"]["VeFaaS"]
        assert UPLOAD_FUNCTION == own.platform.functions[function["FunctionId"]].name

    with Cloud(tmp_path / "c", bare=True, faults=QUICK) as bare:
        assert [] == bare.store.buckets.get(UPLOADS_BUCKET).rules
        put(bare)
        assert bare.platform.idle()


def test_a_deployed_function_may_not_have_the_name_of_one_that_runs_already(
    tmp_path: Path,
) -> None:
    with (
        Cloud(tmp_path / "c") as own,
        operator(own.vefaas.address, own.credentials) as op,
        pytest.raises(Exception, match="DuplicatedResource"),
    ):
        op.create(UPLOAD_FUNCTION)


def test_the_console_of_a_cloud_without_functions_says_so(cloud: Cloud) -> None:
    state = urllib3.request("GET", f"{cloud.console.address}/api/state", timeout=10.0).json()

    assert ([], None) == (state["functions"], state["records"]["sweep"])
    sweep = urllib3.request("POST", f"{cloud.console.address}/api/sweep", timeout=10.0)
    assert 409 == sweep.status
