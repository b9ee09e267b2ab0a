"""The model's request, typed: `ReqJson` of 通用XL pro-图生图, and the body of the call.

Sources: document 6791/1330203 (the model), 508/1359436 (the call).
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints
from pydantic.alias_generators import to_pascal

MODEL = "i2i_xl_sft"
MODEL_ACTION = "Img2ImgXLSft"
MODEL_VERSION = "2022-08-31"
MAX_OUTPUT_BYTES = 180
MAX_IMAGE_BYTES = 35 * 1024 * 1024

Seed = Annotated[StrictInt, Field(ge=-1)]
Steps = Annotated[StrictInt, Field(ge=1, le=50)]
Scale = Annotated[float, Field(strict=False, ge=1, le=30, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Index = Annotated[StrictInt, Field(ge=0)]
Text = Annotated[str, StringConstraints(min_length=1)]


class Strict(BaseModel):
    """A part of the request: unknown fields are errors, so that a typing mistake is found."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ControlnetArgs(Strict):
    """Keep the source's outlines, depth or pose, with a strength from 0 to 1."""

    type: Literal["canny", "depth", "pose"]
    strength: Weight
    binary_data_index: Index


class StyleReferenceArgs(Strict):
    """Take identity and style from another picture, each with a weight from 0 to 1."""

    id_weight: Weight
    style_weight: Weight
    binary_data_index: Index


class LogoInfo(Strict):
    """Stamp a logo text on the picture.

    `position`: 0 bottom right, 1 bottom left, 2 top left, 3 top right. `language`: 0 Chinese,
    1 English.
    """

    add_logo: StrictBool
    position: Annotated[StrictInt, Field(ge=0, le=3)] | None = None
    language: Annotated[StrictInt, Field(ge=0, le=1)] | None = None
    opacity: Weight | None = None
    logo_text_content: str | None = None


class ReqJson(Strict):
    """What `i2i_xl_sft` takes.

    `image_urls[0]` is the picture to repaint; further ones serve controlnet and style by their
    index. `seed` −1 draws one at random. `return_url` has no effect through veImageX.
    """

    req_key: Literal["i2i_xl_sft"] = "i2i_xl_sft"
    image_urls: Annotated[list[Text], Field(min_length=1)] | None = None
    binary_data_base64: Annotated[list[Text], Field(min_length=1)] | None = None
    prompt: Text
    seed: Seed = -1
    ddim_step: Steps = 20
    scale: Scale = 7.0
    controlnet_args: list[ControlnetArgs] | None = None
    style_reference_args: StyleReferenceArgs | None = None
    return_url: StrictBool | None = None
    logo_info: LogoInfo | None = None


class CallBody(BaseModel):
    """The body of `GetCVImageGenerateResult`; its fields are spelled `Domain`, `ReqJson`, ….

    `image_url` is a public address or a StoreUri of the same service. `req_json` is sent as a
    JSON object, not as a string: the typed one of `i2i_xl_sft`, or another model's as it is.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_pascal, validate_by_name=True
    )

    domain: Text
    template: Text
    outputs: Annotated[list[Text], Field(min_length=1, max_length=1)]
    overwrite: bool = False
    image_url: Text
    model_action: Text = MODEL_ACTION
    model_version: Text = MODEL_VERSION
    req_json: ReqJson | dict[str, Any]

    def to_json(self) -> bytes:
        """Write the body as it is sent: fields that were not given are left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


def output_name_problem(name: str) -> str | None:
    """Say in a sentence why `name` cannot be an output's, or return None where it can.

    The service's rules, and `~`, which separates an address from its template.
    """
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name:
        return "is empty"
    if size > MAX_OUTPUT_BYTES:
        return f"is {size} bytes of UTF-8, at most {MAX_OUTPUT_BYTES} are allowed"
    if any(character.isspace() or not character.isprintable() for character in name):
        return "holds a space or a control character"
    if name.startswith("/") or name.endswith("/") or "//" in name:
        return "begins or ends with '/', or has it doubled"
    if "~" in name:
        return "holds '~', which separates an address from its template"
    return None
