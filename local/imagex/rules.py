"""Every rule of the body of GetCVImageGenerateResult.

Documents 508/1359436 (the call) and 6791/1330203 (`ReqJson` of `i2i_xl_sft`). The real service
may be more lenient, with fields that it does not know above all; a stand-in that is strict finds
the typing error before the real one is paid for it.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from local.imagex import answers
from local.imagex.answers import ModelRefusal
from local.imagex.fields import (
    flag,
    integer,
    invalid,
    is_unicode,
    mapping,
    number,
    only,
    required,
    text,
    texts,
)
from local.openapi import Refusal

MODEL_ACTION = "Img2ImgXLSft"
MODEL_VERSION = "2022-08-31"
REQ_KEY = "i2i_xl_sft"
MAX_NAME_BYTES = 180
MAX_BODY_BYTES = 10 * 1024 * 1024

NORMAL = "正常"
"""What a service and a domain that can be used have for a status (508/9358, 508/9379)."""

_CONFIGURED = ("Domain", "Template", "ModelAction", "ModelVersion")
_BODY = (*_CONFIGURED, "Outputs", "Overwrite", "ImageUrl", "ReqJson")
_REQ_JSON = (
    "req_key",
    "image_urls",
    "binary_data_base64",
    "prompt",
    "seed",
    "ddim_step",
    "ddim_steps",  # as older documents spell it
    "scale",
    "controlnet_args",
    "style_reference_args",
    "return_url",
    "logo_info",
)


@dataclass(frozen=True, slots=True)
class Service:
    """The one veImageX service that exists here."""

    id: str
    domain: str
    template: str
    overwrite: bool = True
    """The service's switch 重名覆盖上传, without which `Overwrite` has no effect."""
    status: str = NORMAL
    domain_status: str = NORMAL

    @property
    def bucket(self) -> str:
        """The storage whose name begins every StoreUri."""
        return f"tos-cn-i-{self.id}"


@dataclass(frozen=True, slots=True)
class Order:
    """A generation that was ordered; `source` is an address, a StoreUri, or the bytes."""

    output: str
    overwrite: bool
    source: str | bytes
    prompt: str
    seed: int
    steps: int
    scale: float


def read(body: bytes, service_id: str | None, service: Service) -> Order:
    """Check the whole body; raises Refusal, whose message names the field that is wrong."""
    check_service(service_id, service)
    if len(body) > MAX_BODY_BYTES:
        raise ModelRefusal(50206, f"the body is over {MAX_BODY_BYTES} bytes")
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise Refusal("InvalidParameter.Body", f"The body is not JSON: {error}.") from error
    fields = mapping(fields, "Body")
    only(fields, _BODY, "Body")
    _configured(fields, service)
    overwrite = fields.get("Overwrite", False)
    if not isinstance(overwrite, bool):
        raise invalid("Overwrite", "is neither true nor false")
    output = _output(fields)
    request = required(fields, "ReqJson", "ReqJson")
    if isinstance(request, str):
        raise invalid("ReqJson", "is a string; it must be a JSON object")
    model = mapping(request, "ReqJson")
    embedded = _model(model)
    source = _image_url(fields, service) or embedded
    if source is None:
        raise Refusal(
            "MissingParameter.ImageUrl",
            "There is no input: neither ImageUrl nor ReqJson.image_urls nor "
            "ReqJson.binary_data_base64.",
        )
    return Order(
        output=output,
        overwrite=overwrite,
        source=source,
        prompt=model["prompt"],
        seed=model.get("seed", -1),
        steps=model.get("ddim_step", model.get("ddim_steps", 20)),
        scale=float(model.get("scale", 7.0)),
    )


def check_service(service_id: str | None, service: Service) -> None:
    """Raise Refusal unless the query's ServiceId is that of `service`."""
    if not service_id:
        raise answers.refusal(600008, "the query has no ServiceId.")
    if service_id != service.id:
        raise answers.refusal(601002, f"there is no service {service_id!r}.")


def _configured(fields: Mapping[str, Any], service: Service) -> None:
    for name in _CONFIGURED:
        text(fields, name, name)
    if fields["Domain"] != service.domain:
        raise answers.refusal(
            601000, f"Domain {fields['Domain']!r} is not bound to the service {service.id}."
        )
    if fields["Template"] != service.template:
        raise answers.refusal(
            601000, f"Template {fields['Template']!r} is none of the service {service.id}."
        )
    for name, expected in (("ModelAction", MODEL_ACTION), ("ModelVersion", MODEL_VERSION)):
        if fields[name] != expected:
            raise invalid(name, f"is {fields[name]!r}, not {expected!r}")


def _output(fields: Mapping[str, Any]) -> str:
    outputs = required(fields, "Outputs", "Outputs")
    if not isinstance(outputs, list) or len(outputs) != 1 or not isinstance(outputs[0], str):
        raise invalid("Outputs", "is not a list of exactly one file name")
    name: str = outputs[0]
    if not name or not is_unicode(name):
        raise invalid("Outputs", "holds a file name that is empty, or half a character")
    if any(character.isspace() for character in name):
        raise invalid("Outputs", "holds a file name with a space")
    if name.startswith("/") or name.endswith("/") or "//" in name:
        raise invalid("Outputs", "holds a file name with a leading, trailing or doubled '/'")
    if "~" in name:
        raise invalid("Outputs", "holds a file name with '~', which separates the template")
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise invalid("Outputs", f"holds a file name of {size} bytes, over {MAX_NAME_BYTES}")
    return name


def _image_url(fields: Mapping[str, Any], service: Service) -> str | None:
    if "ImageUrl" not in fields:
        return None
    address = text(fields, "ImageUrl", "ImageUrl")
    if not address.startswith(f"{service.bucket}/"):
        _check_address(address, "ImageUrl", " nor a StoreUri of this service")
    return address


def _model(model: Mapping[str, Any]) -> str | bytes | None:
    """Check `ReqJson`; return the input image that it holds, if any."""
    only(model, _REQ_JSON, "ReqJson")
    if text(model, "req_key", "ReqJson.req_key") != REQ_KEY:
        raise invalid("ReqJson.req_key", f"is {model['req_key']!r}, not {REQ_KEY!r}")
    text(model, "prompt", "ReqJson.prompt")
    integer(model, "seed", -1, 2**63 - 1, "ReqJson")
    for name in ("ddim_step", "ddim_steps"):
        integer(model, name, 1, 50, "ReqJson")
    number(model, "scale", 1, 30, "ReqJson")
    flag(model, "return_url", "ReqJson")
    addresses = texts(model, "image_urls")
    for address in addresses:
        if not address.startswith("tos-cn-i-"):
            _check_address(address, "ReqJson.image_urls", "")
    pictures = [_bytes(encoded) for encoded in texts(model, "binary_data_base64")]
    _arguments(model, len(addresses) + len(pictures))
    if addresses:
        return addresses[0]
    return pictures[0] if pictures else None


def _arguments(model: Mapping[str, Any], images: int) -> None:
    controls = model.get("controlnet_args", [])
    if not isinstance(controls, list):
        raise invalid("ReqJson.controlnet_args", "is not a list")
    for control in controls:
        where = "ReqJson.controlnet_args"
        control_fields = mapping(control, where)
        only(control_fields, ("type", "strength", "binary_data_index"), where)
        if control_fields.get("type") not in ("canny", "depth", "pose"):
            raise invalid(f"{where}.type", "is none of canny, depth, pose")
        number(control_fields, "strength", 0, 1, where)
        integer(control_fields, "binary_data_index", 0, max(0, images - 1), where)
    if "style_reference_args" in model:
        where = "ReqJson.style_reference_args"
        style = mapping(model["style_reference_args"], where)
        only(style, ("id_weight", "style_weight", "binary_data_index"), where)
        number(style, "id_weight", 0, 1, where)
        number(style, "style_weight", 0, 1, where)
        integer(style, "binary_data_index", 0, max(0, images - 1), where)
    if "logo_info" in model:
        where = "ReqJson.logo_info"
        logo = mapping(model["logo_info"], where)
        only(logo, ("add_logo", "position", "language", "opacity", "logo_text_content"), where)
        flag(logo, "add_logo", where)
        integer(logo, "position", 0, 3, where)
        integer(logo, "language", 0, 1, where)
        number(logo, "opacity", 0, 1, where)
        if not isinstance(logo.get("logo_text_content", ""), str):
            raise invalid(f"{where}.logo_text_content", "is not a string")


def _check_address(address: str, name: str, also: str) -> None:
    try:
        parts = urlsplit(address)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise invalid(name, f"is neither an http(s) address{also}")


def _bytes(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise invalid(
            "ReqJson.binary_data_base64", "is not bare base64 (no 'data:' before it)"
        ) from error
