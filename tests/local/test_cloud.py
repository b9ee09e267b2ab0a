"""The whole way on the local cloud: a photograph goes in, its repainted version comes out."""

import json
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import tos
import urllib3
from PIL import Image, ImageChops

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, Cloud, FixedCredentials
from local.imagex import FaultSettings
from local.vefaas.runtime import DeliverySettings
from shared.clients.http import PooledTransport
from shared.runtime import Runtime
from tests.fakes import FakeClock

IMAGES = Path(__file__).parents[2] / "examples" / "images"
CAT = (IMAGES / "chelsea.png").read_bytes()

pytestmark = pytest.mark.filterwarnings(
    # The official client's own, on Python 3.12 and later.
    "ignore:datetime.datetime.utcnow:DeprecationWarning"
)


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
    faults = FaultSettings(latency_seconds=0.0)
    with Cloud(tmp_path / "cloud", faults=faults, on_log=log) as cloud:
        yield cloud


@pytest.fixture
def official(cloud: Cloud) -> Iterator[tos.TosClientV2]:
    """The official client, unchanged; its proxy setting leads it to the local cloud."""
    client = tos.TosClientV2(
        cloud.credentials.access_key,
        cloud.credentials.secret_key,
        "http://tos-cn-beijing.volces.com",
        "cn-beijing",
        proxy_host="127.0.0.1",
        proxy_port=cloud.tos.port,
        dns_cache_time=0,
    )
    yield client
    client.close()


def fetch(url: str) -> Image.Image:
    answer = urllib3.request("GET", url, timeout=10.0)
    assert answer.status == 200
    return Image.open(BytesIO(answer.data))


def test_a_photograph_put_by_the_official_client_with_a_chinese_prompt_is_repainted(
    cloud: Cloud, official: tos.TosClientV2, log: Log
) -> None:
    official.put_object(
        UPLOADS_BUCKET,
        "uploads/猫 1.png",
        content=CAT,
        content_type="image/png",
        meta={"prompt": "漫画风格，100% 手绘", "seed": "7"},
    )
    assert cloud.platform.wait_idle()

    (made,) = log.named("image.generated")
    (finished,) = log.named("delivery.finished")
    (charge,) = cloud.billing.charges()
    assert ("漫画风格，100% 手绘", 7) == (charge.prompt, charge.seed)
    assert [charge.store_uri] == made["store_uris"]
    assert ("generated", "uploads/猫 1.png") == (finished["status"], finished["key"])
    before, after = Image.open(BytesIO(CAT)).convert("RGB"), fetch(made["image_urls"][0])
    assert before.size == after.size
    assert ImageChops.difference(before, after.convert("RGB")).getbbox() is not None


def test_the_same_event_delivered_twice_is_paid_once(tmp_path: Path, log: Log) -> None:
    settings = DeliverySettings(duplicate_probability=1.0, retry_delays=[0.2])
    faults = FaultSettings(latency_seconds=0.3)
    with Cloud(tmp_path / "c", faults=faults, delivery=settings, on_log=log) as cloud:
        cloud.runtime().storage(None).put(
            UPLOADS_BUCKET, "uploads/a.png", CAT, content_type="image/png",
            metadata={"prompt": "x"},
        )  # fmt: skip
        assert cloud.platform.wait_idle()
        assert len(cloud.billing.charges()) == 1

    assert "generated" in {line["status"] for line in log.named("delivery.finished")}


def test_three_variants_of_a_photograph_are_three_pictures_and_a_duplicate_event_adds_none(
    tmp_path: Path, log: Log
) -> None:
    preset = {"prefix": "", "prompt": "{prompt}，{style}", "output": "{stem}.png", "variants": 3}
    delivery = DeliverySettings(duplicate_probability=1.0, retry_delays=[0.2])
    with Cloud(
        tmp_path / "c",
        faults=FaultSettings(latency_seconds=0.3),
        delivery=delivery,
        environment={"REPAINT_PRESETS": json.dumps([preset])},
        on_log=log,
    ) as cloud:
        cloud.runtime().storage(None).put(
            UPLOADS_BUCKET, "uploads/cat.png", CAT, content_type="image/png",
            metadata={"prompt": "a cat", "style": "%E6%BC%AB%E7%94%BB"},
        )  # fmt: skip
        assert cloud.platform.wait_idle()
        charges = cloud.billing.charges()
        pictures = {fetch(line["image_urls"][0]).tobytes() for line in log.named("image.generated")}
        left = cloud.runtime().storage(None).list_page(STATE_BUCKET, "ledger/pending/").objects

    assert {"a cat，漫画"} == {charge.prompt for charge in charges}
    assert {"repaint/cat.png", "repaint/cat-2.png", "repaint/cat-3.png"} == {
        charge.output for charge in charges
    }
    assert 3 == len(charges) == len({charge.seed for charge in charges}) == len(pictures)
    assert [] == left
    told = log.named("delivery.finished")
    assert {1, 2, 3} == {line["variant"] for line in told if line["status"] == "generated"}
    assert len(told) > 3


def test_no_secret_is_in_the_log_or_the_ledger(
    cloud: Cloud, official: tos.TosClientV2, log: Log
) -> None:
    official.put_object(UPLOADS_BUCKET, "uploads/a.png", content=CAT, meta={"prompt": "[refuse]"})
    official.put_object(UPLOADS_BUCKET, "uploads/b.png", content=CAT, meta={"prompt": "a cat"})
    official.put_object(UPLOADS_BUCKET, "uploads/c.png", content=b"no image", meta={"prompt": "x"})
    assert cloud.platform.wait_idle()

    role = json.loads(next(cloud.folder.glob("faas/roles/*/credential")).read_text("utf-8"))
    kept = "\n".join(log.text)
    listed = official.list_objects_type2(STATE_BUCKET).contents
    kept += "".join(official.get_object(STATE_BUCKET, o.key).read().decode() for o in listed)
    ends = [o.key for o in listed if o.key.startswith("ledger/done/")]
    assert len(ends) == 3
    for secret in (
        cloud.credentials.secret_key,
        role["secret_access_key"],
        role["session_token"],
        "X-Tos-Signature",
    ):
        assert secret not in kept


@pytest.mark.parametrize(
    ("prompt", "content", "status", "reason"),
    [
        ("[refuse]", CAT, "rejected", "50412: "),
        ("违禁", CAT, "rejected", "5041"),
        ("a cat", b"this is no picture", "rejected", "50207: "),
        ("", CAT, "skipped", "There is no prompt"),
    ],
)
def test_what_cannot_be_repainted_ends_with_a_reason(
    cloud: Cloud,
    official: tos.TosClientV2,
    log: Log,
    prompt: str,
    content: bytes,
    status: str,
    reason: str,
) -> None:
    meta = {"prompt": prompt} if prompt else {}
    official.put_object(UPLOADS_BUCKET, "uploads/a.png", content=content, meta=meta)
    assert cloud.platform.wait_idle()

    (finished,) = log.named("delivery.finished")
    assert status == finished["status"]
    assert reason in finished["reason"]
    assert cloud.billing.charges() == []


def test_every_photograph_is_repainted_visibly_and_each_prompt_differently(
    cloud: Cloud, official: tos.TosClientV2, log: Log
) -> None:
    for number, prompt in enumerate(["水彩", "油画", "素描"]):
        for image in sorted(IMAGES.glob("*.[pj][np]g")):
            key = f"uploads/{number}/{image.name}"
            official.put_object(
                UPLOADS_BUCKET, key, content=image.read_bytes(), meta={"prompt": prompt}
            )
    assert cloud.platform.wait_idle()

    made = log.named("image.generated")
    pictures = {fetch(line["image_urls"][0]).convert("RGB").tobytes() for line in made}
    assert len(made) == len(pictures) == 12


def test_the_cloud_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    # Whoever was killed with a claim in hand holds its lease: a short one, and an early retry.
    short = {"VEIMAGEX_TIMEOUT_SECONDS": "3", "VEIMAGEX_SETTLE_SECONDS": "1"}
    often = DeliverySettings(retry_delays=[2])
    with Cloud(tmp_path / "c", environment=short, delivery=often) as first:
        first.runtime().storage(None).put(
            UPLOADS_BUCKET, "uploads/a.png", CAT, content_type="image/png",
            metadata={"prompt": "x"},
        )  # fmt: skip
    with Cloud(tmp_path / "c", environment=short, delivery=often) as second:
        assert second.platform.wait_idle()
        assert first.credentials == second.credentials
        assert len(second.billing.charges()) == 1
        (end,) = second.runtime().storage(None).list_page(STATE_BUCKET, "ledger/done/").objects
        assert end.key.startswith("ledger/done/")
        assert (
            second.runtime().storage(None).list_page(STATE_BUCKET, "ledger/pending/").objects == []
        )


def test_a_client_whose_clock_is_off_corrects_it_by_the_gateways(cloud: Cloud) -> None:
    transport = PooledTransport()
    runtime = Runtime(
        cloud.settings,
        clock=FakeClock(time.time() - 3600),
        credentials=FixedCredentials(cloud.credentials),
        transport=transport,
    )

    assert runtime.imagex.find_output("nothing") is None
    assert [o.key for o in runtime.storage(None).list_page(STATE_BUCKET, "").objects] == []
    assert [call.outcome for call in cloud.billing.calls()] == ["InvalidTimestamp", "OK"]
    transport.close()
