"""Every rule for the body of GetCVImageGenerateResult.

Documents 508/1359436 (the call) and 6791/1330203 (`ReqJson` of `i2i_xl_sft`). The real service
may be more lenient, above all with unknown fields; a strict stand-in finds a misspelt field before
the real one is paid for it.
"""

import base64
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)
from pydantic.alias_generators import to_pascal
from pydantic_core import ErrorDetails

from local.imagex.errors import ModelError, imagex_error
from local.openapi import ApiError

MAX_NAME_BYTES = 180
MAX_BODY_BYTES = 10 * 1024 * 1024

NORMAL = "正常"
"""The status of a service, and of a domain, that can be used (508/9358, 508/9379)."""


@dataclass(frozen=True, slots=True)
class ServiceProfile:
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
class ImageRequest:
    """A valid request; `source` is a URL, a StoreUri, or the bytes."""

    output: str
    overwrite: bool
    source: str | bytes
    prompt: str
    seed: int


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _output_name(name: str) -> str:
    if any(character.isspace() for character in name):
        raise ValueError("holds a file name with a space")
    if name.startswith("/") or name.endswith("/") or "//" in name:
        raise ValueError("holds a file name with a leading, trailing or doubled '/'")
    if "~" in name:
        raise ValueError("holds a file name with '~', which separates the template")
    size = len(name.encode())
    if size > MAX_NAME_BYTES:
        raise ValueError(f"holds a file name of {size} bytes, over {MAX_NAME_BYTES}")
    return name


def _model_source(text: str) -> str:
    if not text.startswith("tos-cn-i-") and not _is_http_url(text):
        raise ValueError("is neither an http(s) URL nor a StoreUri")
    return text


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise ValueError("is not bare base64 (no 'data:' before it)") from error


Text = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Index = Annotated[int, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ControlNet(_Strict):
    """An entry of `controlnet_args`."""

    type: str = Field(default="", pattern="^(canny|depth|pose)$", validate_default=True)
    strength: Share = 0
    binary_data_index: Index = 0


class StyleReference(_Strict):
    """`style_reference_args`."""

    id_weight: Share = 0
    style_weight: Share = 0
    binary_data_index: Index = 0


class LogoInfo(_Strict):
    """`logo_info`."""

    add_logo: bool = False
    position: Annotated[int, Field(ge=0, le=3)] = 0
    language: Annotated[int, Field(ge=0, le=1)] = 0
    opacity: Share = 0
    logo_text_content: str = ""


class ModelRequest(_Strict):
    """`ReqJson`, the request to the model."""

    req_key: Literal["i2i_xl_sft"]
    prompt: Text
    seed: Annotated[int, Field(ge=-1, lt=2**63)] = -1
    ddim_step: Annotated[int, Field(ge=1, le=50)] = 20
    ddim_steps: Annotated[int, Field(ge=1, le=50)] = 20  # as older documents spell it
    scale: Annotated[float, Field(ge=1, le=30, allow_inf_nan=False)] = 7
    return_url: bool = False
    image_urls: list[Annotated[Text, AfterValidator(_model_source)]] = []
    binary_data_base64: list[Annotated[bytes, BeforeValidator(_decoded), Field(min_length=1)]] = []
    controlnet_args: list[ControlNet] = []
    style_reference_args: StyleReference = StyleReference()
    logo_info: LogoInfo = LogoInfo()

    def sources(self) -> list[str | bytes]:
        """Return the input images, URLs before embedded ones."""
        return [*self.image_urls, *self.binary_data_base64]


class Body(_Strict):
    """The body of GetCVImageGenerateResult."""

    model_config = ConfigDict(alias_generator=to_pascal)

    domain: Text
    template: Text
    model_action: Literal["Img2ImgXLSft"]
    model_version: Literal["2022-08-31"]
    outputs: Annotated[
        list[Annotated[Text, AfterValidator(_output_name)]], Field(min_length=1, max_length=1)
    ]
    overwrite: bool = False
    image_url: Text = ""
    req_json: ModelRequest


_REQUIRED = [field.alias for field in Body.model_fields.values() if field.is_required()]
_REQUIRED += [f"ReqJson.{n}" for n, f in ModelRequest.model_fields.items() if f.is_required()]


def parse_body(content: bytes, service_id: str | None, service: ServiceProfile) -> ImageRequest:
    """Validate the body. Raises ApiError, whose message names the invalid field, or ModelError."""
    check_service(service_id, service)
    if len(content) > MAX_BODY_BYTES:
        raise ModelError(50206, f"the body is over {MAX_BODY_BYTES} bytes")
    try:
        # Not by pydantic: a half surrogate pair in JSON is the error of one field.
        body = Body.model_validate(json.loads(content))
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False)[0]) from error
    except ValueError as error:
        raise ApiError("InvalidParameter.Body", f"The body is not JSON: {error}.") from error
    if body.domain != service.domain:
        raise imagex_error(601000, f"Domain {body.domain!r} is not bound to service {service.id}.")
    if body.template != service.template:
        raise imagex_error(601000, f"Service {service.id} has no Template {body.template!r}.")
    model, address = body.req_json, body.image_url
    if address and not address.startswith(f"{service.bucket}/") and not _is_http_url(address):
        raise _invalid("ImageUrl", "is neither an http(s) URL nor a StoreUri of this service")
    sources = model.sources()
    indices = [("controlnet_args", each.binary_data_index) for each in model.controlnet_args]
    indices += [("style_reference_args", model.style_reference_args.binary_data_index)]
    for name, index in indices:
        if index >= max(1, len(sources)):
            raise _invalid(f"ReqJson.{name}.binary_data_index", "is not the index of an image")
    if not address and not sources:
        raise ApiError(
            "MissingParameter.ImageUrl",
            "There is no input: neither ImageUrl nor ReqJson.image_urls nor "
            "ReqJson.binary_data_base64.",
        )
    return ImageRequest(
        output=body.outputs[0],
        overwrite=body.overwrite,
        source=address or sources[0],
        prompt=model.prompt,
        seed=model.seed,
    )


def check_service(service_id: str | None, service: ServiceProfile) -> None:
    """Raise ApiError unless the query's ServiceId is that of `service`."""
    if not service_id:
        raise imagex_error(600008, "the query has no ServiceId.")
    if service_id != service.id:
        raise imagex_error(601002, f"there is no service {service_id!r}.")


def _invalid(name: str, problem: str) -> ApiError:
    return ApiError(f"InvalidParameter.{name}", f"{name} {problem}.")


def _refusal(error: ErrorDetails) -> ApiError:
    path = [part for part in error["loc"] if isinstance(part, str)]
    if error["type"] == "extra_forbidden" and len(path) == 1:
        path = ["Body", *path]
    name = ".".join(path) or "Body"
    if error["type"] == "missing" or (error["input"] is None and name in _REQUIRED):
        return ApiError(f"MissingParameter.{name}", f"{name} is missing.")
    if error["type"] == "model_type":
        return _invalid(name, "is not a JSON object")
    problem = error["msg"].removeprefix("Value error, ")
    return _invalid(name, problem if error["type"] == "value_error" else f"is invalid: {problem}")
