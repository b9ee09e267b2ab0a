"""The paid action: charges, stored files and their URLs."""

import io
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from local.imagex import BillingRecords, FaultSettings
from tests.local.imagex.client import (
    NOW,
    SERVICE,
    TEMPLATE,
    World,
    picture,
    world,
)


def test_generation(imagex: World) -> None:
    """A generation is charged, stored and served."""
    answer = imagex.paint("album/猫")

    assert 200 == answer.status
    uri = f"tos-cn-i-{SERVICE}/album/猫"
    assert [uri] == answer.result["StoreUris"]
    assert 10000 == answer.result["RespJson"]["code"]
    metadata = answer.json["ResponseMetadata"]
    assert ("GetCVImageGenerateResult", "2023-05-01", "ImageX", "cn-north-1") == (
        metadata["Action"],
        metadata["Version"],
        metadata["Service"],
        metadata["Region"],
    )
    [charge] = imagex.billing.charges()
    assert (1, "album/猫", uri, NOW, "漫画风格", 7, True) == (
        charge.number,
        charge.output,
        charge.store_uri,
        charge.at,
        charge.prompt,
        charge.seed,
        charge.stored,
    )
    assert metadata["RequestId"] == charge.request_id
    shown = imagex.get(answer.result["ImageUrls"][0])
    assert (200, "image/png") == (shown.status, shown.headers["content-type"])
    assert (24, 16) == Image.open(io.BytesIO(shown.content)).size
    unchanged = imagex.get(
        answer.result["ImageUrls"][0], **{"If-None-Match": shown.headers["etag"]}
    )
    assert 304 == unchanged.status


def test_charge_without_query(imagex: World) -> None:
    """A charge never holds the query of a presigned URL."""
    imagex.paint()

    [charge] = imagex.billing.charges()
    assert "secret" not in charge.source
    assert charge.source.endswith("/cat.png")


def test_restart(tmp_path: Path) -> None:
    """Charges, calls and files survive a restart."""
    with world(tmp_path) as first:
        first.paint()
    with world(tmp_path) as second:
        assert ["out/one"] == [charge.output for charge in second.billing.charges()]
        assert ["OK"] == second.outcomes()
        uri = f"tos-cn-i-{SERVICE}/out/one"
        assert 200 == second.get(f"{second.server.address}/{uri}~{TEMPLATE}").status


def test_free_seed(imagex: World) -> None:
    """A free seed is drawn and recorded."""
    imagex.paint("one", ReqJson={"seed": -1})
    imagex.paint("two", ReqJson={"seed": None})

    seeds = [charge.seed for charge in imagex.billing.charges()]
    assert -1 not in seeds
    assert 2 == len(set(seeds))


def test_charged_name_clash(imagex: World) -> None:
    """A name that is taken is refused after it was charged."""
    imagex.paint()
    answer = imagex.paint()

    assert (400, "InvalidParameter.Outputs") == (answer.status, answer.error["Code"])
    assert [True, False] == [charge.stored for charge in imagex.billing.charges()]


def test_uncharged_name_clash(imagex: World) -> None:
    """By a setting, a name that is taken is refused before it is charged."""
    imagex.faults.replace(FaultSettings(latency_seconds=0, charge_name_clash=False))
    imagex.paint()
    imagex.paint()

    assert 1 == len(imagex.billing.charges())


def test_overwrite(imagex: World) -> None:
    """Overwriting replaces the file and its modification time."""
    imagex.paint(ReqJson={"seed": 1})
    [before] = imagex.ask("GetImageStorageFiles").result["Items"]
    imagex.clock.at += 60
    answer = imagex.paint(ReqJson={"seed": 2}, Overwrite=True)

    assert 200 == answer.status
    [after] = imagex.ask("GetImageStorageFiles").result["Items"]
    assert "2025-06-15T23:06:40+08:00" == before["LastModified"]
    assert "2025-06-15T23:07:40+08:00" == after["LastModified"]
    assert [True, True] == [charge.stored for charge in imagex.billing.charges()]


def test_overwrite_switch(tmp_path: Path) -> None:
    """Overwriting has no effect while the service has it switched off."""
    with world(tmp_path, overwrite_switch=False) as imagex:
        imagex.paint()
        answer = imagex.paint(Overwrite=True)

        assert "InvalidParameter.Outputs" == answer.error["Code"]
        assert imagex.ask("GetImageService").result["UploadOverwrite"] is False


def test_racing_calls(imagex: World) -> None:
    """Calls at once for one name store one file and are charged each."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: imagex.paint("same"), range(8)))

    assert 1 == sum(answer.status == 200 for answer in answers)
    assert 8 == len(imagex.billing.charges())
    assert 1 == sum(charge.stored for charge in imagex.billing.charges())


def test_store_uri_source(imagex: World) -> None:
    """A stored file may be the source; it has precedence over the sources in ReqJson."""
    imagex.paint("first")
    answer = imagex.paint(
        "second",
        ImageUrl=f"tos-cn-i-{SERVICE}/first",
        ReqJson={"image_urls": ["http://127.0.0.1:9/nobody-listens"]},
    )

    assert 10000 == answer.result["RespJson"]["code"]


@pytest.mark.parametrize(
    "path",
    [
        f"tos-cn-i-{SERVICE}/out/two~{TEMPLATE}",
        f"tos-cn-i-{SERVICE}/out/one~tplv-other.image",
        f"tos-cn-i-{SERVICE}/out/one",
        f"tos-cn-i-other/out/one~{TEMPLATE}",
        "favicon.ico",
    ],
)
def test_no_picture(imagex: World, path: str) -> None:
    """A URL of no stored file is not found."""
    imagex.paint()

    assert 404 == imagex.get(f"{imagex.server.address}/{path}").status


def test_quiet_log(imagex: World, caplog: pytest.LogCaptureFixture) -> None:
    """The service logs nothing."""
    with caplog.at_level(logging.WARNING, logger="uvicorn.error"):
        imagex.paint()
        imagex.paint()

    assert [] == caplog.messages


@pytest.mark.parametrize("size", [1, 3])
def test_two_readers(tmp_path: Path, size: int) -> None:
    """The records can be read while another connection writes them."""
    with (
        world(tmp_path, paint=lambda *_: picture()) as imagex,
        closing(BillingRecords(tmp_path)) as other,
    ):
        for number in range(size):
            imagex.paint(f"n{number}")

        assert imagex.billing.charges() == other.charges()
