"""Every rule of the body is checked, and each refusal names the field."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.imagex import FaultSettings
from local.imagex.moderation import AFTER, BEFORE
from tests.local.imagex.imagex_world import SERVICE, World, body, picture, world


@pytest.fixture(scope="module")
def imagex(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("book")) as served:
        yield served


NOT_BASE64 = "data:image/png;base64,AAAA"
CANNY = {"type": "canny", "strength": 0.5, "binary_data_index": 0}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (body(Domain=None), "MissingParameter.Domain"),
        (body(Domain=5), "InvalidParameter.Domain"),
        (body(Domain="other.example.com"), "ERR_SERVICE_BASE"),
        (body(Template=None), "MissingParameter.Template"),
        (body(Template="tplv-other.image"), "ERR_SERVICE_BASE"),
        (body(Outputs=None), "MissingParameter.Outputs"),
        (body(Outputs="one"), "InvalidParameter.Outputs"),
        (body(Outputs=[]), "InvalidParameter.Outputs"),
        (body(Outputs=["one", "two"]), "InvalidParameter.Outputs"),
        (body(Outputs=[1]), "InvalidParameter.Outputs"),
        (body(Outputs=[""]), "InvalidParameter.Outputs"),
        (body(Outputs=["two words"]), "InvalidParameter.Outputs"),
        (body(Outputs=["/one"]), "InvalidParameter.Outputs"),
        (body(Outputs=["one/"]), "InvalidParameter.Outputs"),
        (body(Outputs=["a//b"]), "InvalidParameter.Outputs"),
        (body(Outputs=["a~b"]), "InvalidParameter.Outputs"),
        (body(Outputs=["a" * 181]), "InvalidParameter.Outputs"),
        (body(Outputs=["漫" * 61]), "InvalidParameter.Outputs"),
        (body(Outputs=["\ud800"]), "InvalidParameter.Outputs"),
        (body(Overwrite="true"), "InvalidParameter.Overwrite"),
        (body(Overwrite=1), "InvalidParameter.Overwrite"),
        (body(ImageUrl=None), "MissingParameter.ImageUrl"),
        (body(ImageUrl=""), "InvalidParameter.ImageUrl"),
        (body(ImageUrl="ftp://host/cat.png"), "InvalidParameter.ImageUrl"),
        (body(ImageUrl="tos-cn-i-other/cat.png"), "InvalidParameter.ImageUrl"),
        (body(ImageUrl="http://[broken/"), "InvalidParameter.ImageUrl"),
        (body(ImageUrl="http://host:99999/"), "InvalidParameter.ImageUrl"),
        (body(ModelAction=None), "MissingParameter.ModelAction"),
        (body(ModelAction="Img2Img"), "InvalidParameter.ModelAction"),
        (body(ModelVersion=None), "MissingParameter.ModelVersion"),
        (body(ModelVersion="2024-01-01"), "InvalidParameter.ModelVersion"),
        (body(Overwite=True), "InvalidParameter.Body.Overwite"),
        (body(ReqJson=[]), "InvalidParameter.ReqJson"),
        (body(ReqJson=json.dumps(body()["ReqJson"])), "InvalidParameter.ReqJson"),
        ([], "InvalidParameter.Body"),
    ],
    ids=str,
)
def test_a_body_that_breaks_a_rule_is_refused_by_name(
    imagex: World, fields: Any, code: str
) -> None:
    refused(imagex, fields, code)


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ({"req_key": None}, "MissingParameter.ReqJson.req_key"),
        ({"req_key": "high_aes"}, "InvalidParameter.ReqJson.req_key"),
        ({"prompt": None}, "MissingParameter.ReqJson.prompt"),
        ({"prompt": ""}, "InvalidParameter.ReqJson.prompt"),
        ({"prompt": ["cat"]}, "InvalidParameter.ReqJson.prompt"),
        ({"seed": -2}, "InvalidParameter.ReqJson.seed"),
        ({"seed": 1.5}, "InvalidParameter.ReqJson.seed"),
        ({"seed": "7"}, "InvalidParameter.ReqJson.seed"),
        ({"seed": True}, "InvalidParameter.ReqJson.seed"),
        ({"ddim_step": 0}, "InvalidParameter.ReqJson.ddim_step"),
        ({"ddim_step": 51}, "InvalidParameter.ReqJson.ddim_step"),
        ({"ddim_steps": 51}, "InvalidParameter.ReqJson.ddim_steps"),
        ({"scale": 0.5}, "InvalidParameter.ReqJson.scale"),
        ({"scale": 30.1}, "InvalidParameter.ReqJson.scale"),
        ({"scale": "7"}, "InvalidParameter.ReqJson.scale"),
        ({"scale": float("nan")}, "InvalidParameter.ReqJson.scale"),
        ({"return_url": "yes"}, "InvalidParameter.ReqJson.return_url"),
        ({"image_urls": "http://a/b"}, "InvalidParameter.ReqJson.image_urls"),
        ({"image_urls": ["nowhere"]}, "InvalidParameter.ReqJson.image_urls"),
        ({"binary_data_base64": "AAAA"}, "InvalidParameter.ReqJson.binary_data_base64"),
        ({"binary_data_base64": [NOT_BASE64]}, "InvalidParameter.ReqJson.binary_data_base64"),
        ({"controlnet_args": CANNY}, "InvalidParameter.ReqJson.controlnet_args"),
        ({"controlnet_args": ["canny"]}, "InvalidParameter.ReqJson.controlnet_args"),
        ({"controlnet_args": [{}]}, "InvalidParameter.ReqJson.controlnet_args.type"),
        (
            {"controlnet_args": [{**CANNY, "type": "edges"}]},
            "InvalidParameter.ReqJson.controlnet_args.type",
        ),
        (
            {"controlnet_args": [{**CANNY, "strength": 1.1}]},
            "InvalidParameter.ReqJson.controlnet_args.strength",
        ),
        (
            {"controlnet_args": [{**CANNY, "binary_data_index": 3}]},
            "InvalidParameter.ReqJson.controlnet_args.binary_data_index",
        ),
        (
            {"controlnet_args": [{**CANNY, "weight": 1}]},
            "InvalidParameter.ReqJson.controlnet_args.weight",
        ),
        ({"style_reference_args": []}, "InvalidParameter.ReqJson.style_reference_args"),
        (
            {"style_reference_args": {"id_weight": 2}},
            "InvalidParameter.ReqJson.style_reference_args.id_weight",
        ),
        (
            {"style_reference_args": {"style_weight": -0.1}},
            "InvalidParameter.ReqJson.style_reference_args.style_weight",
        ),
        (
            {"style_reference_args": {"binary_data_index": -1}},
            "InvalidParameter.ReqJson.style_reference_args.binary_data_index",
        ),
        ({"logo_info": "yes"}, "InvalidParameter.ReqJson.logo_info"),
        ({"logo_info": {"add_logo": 1}}, "InvalidParameter.ReqJson.logo_info.add_logo"),
        ({"logo_info": {"position": 4}}, "InvalidParameter.ReqJson.logo_info.position"),
        ({"logo_info": {"language": 2}}, "InvalidParameter.ReqJson.logo_info.language"),
        ({"logo_info": {"opacity": 1.1}}, "InvalidParameter.ReqJson.logo_info.opacity"),
        (
            {"logo_info": {"logo_text_content": 5}},
            "InvalidParameter.ReqJson.logo_info.logo_text_content",
        ),
        ({"negative_prompt": "dogs"}, "InvalidParameter.ReqJson.negative_prompt"),
        ({"ddim": 20}, "InvalidParameter.ReqJson.ddim"),
    ],
    ids=str,
)
def test_a_model_request_that_breaks_a_rule_is_refused_by_name(
    imagex: World, model: dict[str, Any], code: str
) -> None:
    refused(imagex, body(ReqJson=model), code)


def refused(imagex: World, fields: Any, code: str) -> None:
    before = len(imagex.billing.charges())
    answer = imagex.generate(fields)

    assert (400, code) == (answer.status, answer.error["Code"])
    field = code.removeprefix("InvalidParameter.").removeprefix("MissingParameter.")
    assert field.startswith("ERR_") or field in answer.error["Message"]
    assert before == len(imagex.billing.charges())


def test_a_body_that_is_no_json_is_refused(imagex: World) -> None:
    query = {"Action": "GetCVImageGenerateResult", "Version": "2023-05-01", "ServiceId": SERVICE}

    answer = imagex.send("POST", query, b"{'Domain'}")
    assert "InvalidParameter.Body" == answer.error["Code"]
    answer = imagex.send("POST", query, b" " * (10 * 1024 * 1024 + 1))
    assert 50206 == answer.result["RespJson"]["code"]


@pytest.mark.parametrize(
    ("service_id", "number"), [("other", 601002), ("", 600008)], ids=["unknown", "missing"]
)
def test_the_service_has_to_exist(imagex: World, service_id: str, number: int) -> None:
    assert number == imagex.generate(service_id=service_id).error["CodeN"]


FULL = {
    "req_key": "i2i_xl_sft",
    "prompt": "水彩",
    "seed": 2**40,
    "ddim_step": 50,
    "scale": 30,
    "return_url": True,
    "image_urls": ["http://127.0.0.1:9/a", "tos-cn-i-abc123/b"],
    "controlnet_args": [{**CANNY, "binary_data_index": 1}],
    "style_reference_args": {"id_weight": 0, "style_weight": 1.0, "binary_data_index": 0},
    "logo_info": {
        "add_logo": True,
        "position": 3,
        "language": 1,
        "opacity": 0.3,
        "logo_text_content": "repaint",
    },
}


@pytest.mark.parametrize(
    "model", [FULL, {"ddim_steps": 1}, {"scale": 1}, {"seed": -1}, {"seed": 0}], ids=str
)
def test_whatever_the_rules_allow_is_generated(imagex: World, model: dict[str, Any]) -> None:
    answer = imagex.paint(f"ok/{len(imagex.billing.charges())}", ReqJson=model)

    assert 10000 == answer.result["RespJson"]["code"]


def test_a_name_may_be_as_long_as_180_bytes(imagex: World) -> None:
    assert 200 == imagex.paint("漫" * 60).status


@pytest.mark.parametrize(
    "model",
    [
        {"image_urls": ["SOURCE"]},
        {"binary_data_base64": [base64.b64encode(picture()).decode()]},
    ],
    ids=["address", "base64"],
)
def test_without_imageurl_the_source_is_the_models_own(
    imagex: World, model: dict[str, Any]
) -> None:
    if "image_urls" in model:
        model = {"image_urls": [imagex.source]}
    answer = imagex.paint(f"own/{next(iter(model))}", ImageUrl=None, ReqJson=model)

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
def test_a_source_that_is_no_picture_to_be_had_is_the_models_error(
    imagex: World, path: str, code: int
) -> None:
    before = len(imagex.billing.charges())
    answer = imagex.paint(ImageUrl=address(imagex, path))

    assert 200 == answer.status
    assert ([], []) == (answer.result["ImageUrls"], answer.result["StoreUris"])
    assert code == answer.result["RespJson"]["code"]
    assert before == len(imagex.billing.charges())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "ICO", "AVIF"])
def test_a_source_of_a_supported_format_is_generated(imagex: World, kind: str) -> None:
    answer = imagex.paint(f"kind/{kind}", ImageUrl=address(imagex, f"kind/{kind}"))

    assert 10000 == answer.result["RespJson"]["code"]


def test_a_source_that_is_busy_is_asked_again(imagex: World) -> None:
    answer = imagex.paint("busy", ImageUrl=address(imagex, "busy"))

    assert 10000 == answer.result["RespJson"]["code"]


def test_a_source_is_asked_for_exactly_as_its_address_is_written(imagex: World) -> None:
    exact = address(imagex, "a%20b/./%E6%BC%AB~c?sign=a%2Bb&x=")

    assert 10000 == imagex.paint("exact", ImageUrl=exact).result["RespJson"]["code"]


def address(imagex: World, path: str) -> str:
    return imagex.source.partition("/cat.png")[0] + f"/{path}"


@pytest.mark.parametrize("host", ["photos.127.0.0.1", "photos.localhost", "photos.tos.example.com"])
def test_a_host_on_loopback_is_reached_under_its_own_name(tmp_path: Path, host: str) -> None:
    with world(tmp_path) as origin:
        port = int(origin.source.split(":")[2].partition("/")[0])
        with world(tmp_path / "2", resolve={"tos.example.com": port}) as imagex:
            answer = imagex.paint(ImageUrl=f"http://{host}:{port}/cat.png")

            assert 10000 == answer.result["RespJson"]["code"]


@pytest.mark.parametrize(
    "source", ["http://example.com/cat.png", "http://10.0.0.1/", f"tos-cn-i-{SERVICE}/missing"]
)
def test_the_local_cloud_does_not_reach_out(imagex: World, source: str) -> None:
    answer = imagex.paint(ImageUrl=source)

    assert 50204 == answer.result["RespJson"]["code"]


@pytest.mark.parametrize(("marker", "code"), [*BEFORE.items(), *AFTER.items()])
def test_a_marker_word_is_refused_by_review_and_not_charged(
    imagex: World, marker: str, code: int
) -> None:
    before = len(imagex.billing.charges())
    answer = imagex.paint("refused", ReqJson={"prompt": f"a cat {marker}"})

    assert code == answer.result["RespJson"]["code"]
    assert before == len(imagex.billing.charges())


def test_an_output_can_be_refused_for_the_first_seed_alone(imagex: World) -> None:
    prompt = {"prompt": "a cat [refuse-output-once]"}
    codes = [imagex.paint("once", ReqJson=prompt).result["RespJson"]["code"] for _ in range(2)]

    assert [50511, 10000] == codes


def test_an_output_that_is_refused_is_charged_if_set_so(tmp_path: Path) -> None:
    settings = FaultSettings(latency_seconds=0, charge_refused_output=True)
    with world(tmp_path, settings) as imagex:
        imagex.paint(ReqJson={"prompt": "[refuse-output]"})

        assert [False] == [charge.stored for charge in imagex.billing.charges()]


def test_the_models_error_can_come_inside_a_gateway_error(tmp_path: Path) -> None:
    settings = FaultSettings(latency_seconds=0, model_errors="error")
    with world(tmp_path, settings) as imagex:
        answer = imagex.paint(ReqJson={"prompt": "[refuse]"})

        assert 400 == answer.status
        assert '"code": 50412' in answer.error["Message"]
        assert ["50412"] == imagex.outcomes()
