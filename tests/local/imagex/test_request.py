"""Every rule for the body, and the field's name in each refusal."""

import json
from typing import Any

import pytest

from tests.local.imagex.client import (
    SERVICE,
    World,
    body,
)

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
def test_invalid_body(shared_imagex: World, fields: Any, code: str) -> None:
    """An invalid body is refused with the field's name."""
    refused(shared_imagex, fields, code)


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
def test_invalid_req_json(shared_imagex: World, model: dict[str, Any], code: str) -> None:
    """An invalid ReqJson is refused with the field's name."""
    refused(shared_imagex, body(ReqJson=model), code)


def refused(imagex: World, fields: Any, code: str) -> None:
    before = len(imagex.billing.charges())
    answer = imagex.generate(fields)

    assert (400, code) == (answer.status, answer.error["Code"])
    field = code.removeprefix("InvalidParameter.").removeprefix("MissingParameter.")
    assert field.startswith("ERR_") or field in answer.error["Message"]
    assert before == len(imagex.billing.charges())


def test_no_json(shared_imagex: World) -> None:
    """A body that is not JSON, or too large, is refused."""
    query = {"Action": "GetCVImageGenerateResult", "Version": "2023-05-01", "ServiceId": SERVICE}

    answer = shared_imagex.send("POST", query, b"{'Domain'}")
    assert "InvalidParameter.Body" == answer.error["Code"]
    answer = shared_imagex.send("POST", query, b" " * (10 * 1024 * 1024 + 1))
    assert 50206 == answer.result["RespJson"]["code"]


@pytest.mark.parametrize(
    ("service_id", "number"), [("other", 601002), ("", 600008)], ids=["unknown", "missing"]
)
def test_unknown_service(shared_imagex: World, service_id: str, number: int) -> None:
    """The service has to exist."""
    assert number == shared_imagex.generate(service_id=service_id).error["CodeN"]


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
def test_valid_req_json(shared_imagex: World, model: dict[str, Any]) -> None:
    """A valid ReqJson is generated."""
    answer = shared_imagex.paint(f"ok/{len(shared_imagex.billing.charges())}", ReqJson=model)

    assert 10000 == answer.result["RespJson"]["code"]


def test_longest_name(shared_imagex: World) -> None:
    """A name may have 180 bytes."""
    assert 200 == shared_imagex.paint("漫" * 60).status
