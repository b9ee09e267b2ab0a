"""The model's request, typed: `ReqJson` of 通用XL pro-图生图, and the body of the call.

Sources: document 6791/1330203 (the model), 508/1359436 (the call).
"""

import json
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_pascal

from shared.json_utils import depth_of

MODEL = "i2i_xl_sft"
MODEL_ACTION = "Img2ImgXLSft"
MODEL_VERSION = "2022-08-31"
MAX_OUTPUT_BYTES = 180
MAX_DEPTH = 32  # far below the limit of the libraries that write and read it again
MAX_IMAGE_BYTES = 35 * 1024 * 1024

# The parameters of ReqJson that have a metadata key of their own, and that key.
OWN_KEYS = {"prompt": "prompt", "seed": "seed", "ddim_step": "steps", "scale": "scale"}


def _as_whole(value: Any) -> Any:
    """Accept 7.0 as 7, as JSON Schema does."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Whole = BeforeValidator(_as_whole)
Seed = Annotated[StrictInt, Field(ge=-1), _Whole]
Steps = Annotated[StrictInt, Field(ge=1, le=50), _Whole]
Scale = Annotated[float, Field(strict=True, ge=1, le=30, allow_inf_nan=False)]
Weight = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Index = Annotated[StrictInt, Field(ge=0), _Whole]
Text = Annotated[str, StringConstraints(min_length=1)]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def check_template(value: str) -> str:
    """Return a processing template's name. Raises ValueError if it cannot be one."""
    if "~" in value or any(character.isspace() for character in value):
        raise ValueError("it is written without '~' and without spaces")
    return value


Template = Annotated[Text, AfterValidator(check_template)]


STRICT = ConfigDict(extra="forbid", frozen=True)
"""Unknown fields are errors, so that a typing mistake is found."""


class ControlnetArgs(BaseModel):
    """Keep the source's outlines, depth or pose, with a strength from 0 to 1."""

    model_config = STRICT

    type: Literal["canny", "depth", "pose"]
    strength: Weight
    binary_data_index: Index


class StyleReferenceArgs(BaseModel):
    """Take identity and style from another picture, each with a weight from 0 to 1."""

    model_config = STRICT

    id_weight: Weight
    style_weight: Weight
    binary_data_index: Index


class LogoInfo(BaseModel):
    """Stamp a logo text on the picture.

    `position`: 0 bottom right, 1 bottom left, 2 top left, 3 top right. `language`: 0 Chinese,
    1 English.
    """

    model_config = STRICT

    add_logo: StrictBool
    position: Annotated[StrictInt, Field(ge=0, le=3), _Whole] | None = None
    language: Annotated[StrictInt, Field(ge=0, le=1), _Whole] | None = None
    opacity: Weight | None = None
    logo_text_content: str | None = None


class ReqJsonParts(BaseModel):
    """The parameters of `i2i_xl_sft` that have no metadata key of their own.

    `return_url` has no effect through veImageX.
    """

    # Built at its first use, which is in the HTTP API only: that saves the other functions time.
    model_config = ConfigDict(**STRICT, defer_build=True)

    req_key: Literal["i2i_xl_sft"] = "i2i_xl_sft"
    image_urls: Annotated[list[Text], Field(min_length=1)] | None = None
    controlnet_args: list[ControlnetArgs] | None = None
    style_reference_args: StyleReferenceArgs | None = None
    return_url: StrictBool | None = None
    logo_info: LogoInfo | None = None


class ReqJson(ReqJsonParts):
    """The parameters of `i2i_xl_sft`.

    `image_urls[0]` is the picture to repaint; further ones serve controlnet and style by their
    index. A `seed` of -1 stands for a random one.
    """

    model_config = ConfigDict(defer_build=False)

    binary_data_base64: Annotated[list[Text], Field(min_length=1)] | None = None
    prompt: Text
    seed: Seed = -1
    ddim_step: Steps = 20
    scale: Scale = 7.0


def _check_output_name(name: str) -> str:
    problem = output_name_problem(name)
    if problem:
        raise ValueError(f"the output's name {problem}")
    return name


OutputName = Annotated[str, AfterValidator(_check_output_name)]


class CallBody(BaseModel):
    """The body of `GetCVImageGenerateResult`; its fields are spelled `Domain`, `ReqJson`, ….

    `image_url` is a public URL or a StoreUri of the same service. `req_json` is sent as a
    JSON object, not as a string: the typed one of `i2i_xl_sft`, or another model's as it is.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_pascal, validate_by_name=True
    )

    domain: Text
    template: Text
    outputs: Annotated[list[OutputName], Field(min_length=1, max_length=1)]
    overwrite: bool = False
    image_url: Text
    model_action: Text = MODEL_ACTION
    model_version: Text = MODEL_VERSION
    req_json: ReqJson | dict[str, Any]

    def to_json(self) -> bytes:
        """Return the body as it is sent: fields that were not given are left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


def merge_problems(fragment: dict[str, Any]) -> list[str]:
    """Return why a JSON object cannot be merged into `ReqJson`, a sentence for each reason.

    `image_urls` in it are further pictures; they follow the uploaded one, which has index 0.
    """
    problems = [
        f"{name!r} has a key of its own: use {own}."
        for name, own in OWN_KEYS.items()
        if name in fragment
    ]
    if "binary_data_base64" in fragment:
        problems.append(
            "'binary_data_base64' cannot be given: give the URLs of further pictures in "
            "'image_urls'; they follow the uploaded one, which has index 0."
        )
    further = fragment.get("image_urls", [])
    if not isinstance(further, list) or not all(isinstance(url, str) and url for url in further):
        problems.append("'image_urls' is not a list of URLs.")
    try:
        json.dumps(fragment, ensure_ascii=False).encode()
        if depth_of(fragment) > MAX_DEPTH:
            problems.append(f"it is nested more than {MAX_DEPTH} levels deep.")
    except (UnicodeEncodeError, RecursionError):
        problems.append("it cannot be written as JSON in UTF-8.")
    return problems


def model_problems(fragment: dict[str, Any]) -> list[str]:
    """Return why our model refuses a fragment of `ReqJson`; nothing is known of other models."""
    if fragment.get("req_key", MODEL) != MODEL:
        return []
    try:
        ReqJson.model_validate({"prompt": "-", **fragment})
    except ValidationError as error:
        return [
            f"ReqJson's {'.'.join(str(part) for part in problem['loc'])} is wrong: "
            f"{problem['msg'][:1].lower()}{problem['msg'][1:]}."
            for problem in error.errors(include_url=False, include_input=False)
        ]
    return []


def output_name_problem(name: str) -> str | None:
    """Return why `name` cannot be an output's, None if it can be.

    The service's rules, and `~`, which separates a URL from its template.
    """
    size = len(name.encode("utf-8", "surrogatepass"))
    if not name:
        return "is empty"
    if size > MAX_OUTPUT_BYTES:
        return f"is {size} bytes of UTF-8, at most {MAX_OUTPUT_BYTES} are allowed"
    if any(character.isspace() or not character.isprintable() for character in name):
        return "has a space or a control character"
    if name.startswith("/") or name.endswith("/") or "//" in name:
        return "begins or ends with '/', or has it doubled"
    if "~" in name:
        return "has '~', which separates a URL from its template"
    return None
