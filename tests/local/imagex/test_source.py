"""Source pictures: URLs, formats, hosts."""

import base64
from pathlib import Path
from typing import Any

import pytest

from tests.local.imagex.client import (
    SERVICE,
    World,
    picture,
    world,
)


@pytest.mark.parametrize(
    "model",
    [
        {"image_urls": ["SOURCE"]},
        {"binary_data_base64": [base64.b64encode(picture()).decode()]},
    ],
    ids=["address", "base64"],
)
def test_source_in_req_json(shared_imagex: World, model: dict[str, Any]) -> None:
    """Without ImageUrl, the source is the one in ReqJson."""
    if "image_urls" in model:
        model = {"image_urls": [shared_imagex.source]}
    answer = shared_imagex.paint(f"own/{next(iter(model))}", ImageUrl=None, ReqJson=model)

    assert 10000 == answer.result["RespJson"]["code"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("status/404", 50204),
        ("status/403", 50204),
        ("status/500", 50204),
        ("moved", 50204),
        ("size/0", 50207),
        ("size/1000", 50207),
        ("size/36700161", 50205),
        ("kind/GIF", 50207),
        ("kind/TIFF", 50207),
    ],
)
def test_unusable_source(shared_imagex: World, path: str, code: int) -> None:
    """A source that cannot be read or decoded is an error of the model."""
    before = len(shared_imagex.billing.charges())
    answer = shared_imagex.paint(ImageUrl=address(shared_imagex, path))

    assert 200 == answer.status
    assert ([], []) == (answer.result["ImageUrls"], answer.result["StoreUris"])
    assert code == answer.result["RespJson"]["code"]
    assert before == len(shared_imagex.billing.charges())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "ICO", "AVIF"])
def test_formats(shared_imagex: World, kind: str) -> None:
    """A source of any supported format is generated."""
    answer = shared_imagex.paint(f"kind/{kind}", ImageUrl=address(shared_imagex, f"kind/{kind}"))

    assert 10000 == answer.result["RespJson"]["code"]


def test_busy_source(shared_imagex: World) -> None:
    """A busy source is requested again."""
    answer = shared_imagex.paint("busy", ImageUrl=address(shared_imagex, "busy"))

    assert 10000 == answer.result["RespJson"]["code"]


def test_exact_url(shared_imagex: World) -> None:
    """A source is requested exactly by its URL."""
    exact = address(shared_imagex, "a%20b/./%E6%BC%AB~c?sign=a%2Bb&x=")

    assert 10000 == shared_imagex.paint("exact", ImageUrl=exact).result["RespJson"]["code"]


def address(imagex: World, path: str) -> str:
    return imagex.source.partition("/cat.png")[0] + f"/{path}"


@pytest.mark.parametrize("host", ["photos.127.0.0.1", "photos.localhost", "photos.tos.example.com"])
def test_loopback_hosts(tmp_path: Path, host: str) -> None:
    """A host on loopback is reached under its own name."""
    with world(tmp_path) as origin:
        port = int(origin.source.split(":")[2].partition("/")[0])
        with world(tmp_path / "2", resolve={"tos.example.com": port}) as imagex:
            answer = imagex.paint(ImageUrl=f"http://{host}:{port}/cat.png")

            assert 10000 == answer.result["RespJson"]["code"]


@pytest.mark.parametrize(
    "source", ["http://example.com/cat.png", "http://10.0.0.1/", f"tos-cn-i-{SERVICE}/missing"]
)
def test_foreign_hosts(shared_imagex: World, source: str) -> None:
    """Sources on other machines are refused."""
    answer = shared_imagex.paint(ImageUrl=source)

    assert 50204 == answer.result["RespJson"]["code"]
