"""Presets: values for every upload whose key has a prefix, unless its metadata gives them.

They are JSON, in the setting itself or in a file, and are checked when the process starts.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
)

from shared.clients.imagex_model import (
    STRICT,
    LogoInfo,
    Prompt,
    Scale,
    Seed,
    Steps,
    Template,
    Text,
    merge_problems,
    model_problems,
    output_name_problem,
)
from shared.clients.tos import META
from shared.errors import Problem
from shared.json_utils import is_utf8

# The parent folder of `shared/`: in a deployed function the root of its zip.
ROOT = Path(__file__).resolve().parents[2]
MAX_VARIANTS = 16
# How similar a field's name must be to be suggested.
_LIKENESS = 0.55
_INSTRUCTIONS = {"seed", "steps", "scale", "template", "overwrite", "variants"}

# Placeholders in a preset's texts: `{prompt}`, `{filename}`, `{stem}`, `{any-metadata-key}`;
# `{{` and `}}` are the braces themselves.
OF_KEY = ("filename", "stem")
_PARSE = Formatter().parse
_NAME = re.compile(r"(?![0-9]+$)[a-z0-9-]+")
_WRITE = "write {prompt}, {filename}, {stem} or the name of a metadata key (a-z, 0-9 and -)"


def placeholder_problem(text: str) -> str | None:
    """Return the problem with the placeholders of a text, None if there is none."""
    try:
        parts = list(_PARSE(text))
    except ValueError as error:
        brace = "}" if str(error).startswith("Single '}'") else "{"
        return f"a {brace!r} stands alone: write {brace * 2!r} for the brace itself"
    for _, name, spec, conversion in parts:
        if name is not None and (spec or conversion or not _NAME.fullmatch(name)):
            written = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
            return f"{'{' + written + '}'!r} is no placeholder: {_WRITE}"
    return None


def names_in(text: str) -> list[str]:
    """Return the names of a text's placeholders in their order, each once."""
    return list(dict.fromkeys(name for _, name, _, _ in _PARSE(text) if name is not None))


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace placeholders with their values; placeholders inside a value are not expanded."""
    return "".join(
        literal + ("" if name is None else values[name]) for literal, name, _, _ in _PARSE(text)
    )


def _check_placeholders(text: str) -> str:
    problem = placeholder_problem(text)
    if problem:
        raise ValueError(problem)
    return text


def _check_output(pattern: str) -> str:
    problem = output_name_problem(expand(pattern, dict.fromkeys(names_in(pattern), "x")))
    if problem:
        raise ValueError(f"an output's name made from it {problem}")
    return pattern


class Logo(LogoInfo):
    """A logo text on the picture; naming one adds it."""

    add_logo: StrictBool = True


class Model(BaseModel):
    """Another model: its name in the request, and the action and version of its call."""

    model_config = STRICT

    req_key: Text
    action: Text
    version: Text


class Preset(BaseModel):
    """Values for every upload whose key begins with `prefix`, unless its metadata gives them.

    `prompt` and `output` may have placeholders. A prompt with `{prompt}` in it does not give way
    to the object's own, but wraps it. `variants` is the number of pictures for each upload.
    """

    model_config = STRICT

    prefix: str
    prompt: Annotated[Prompt, AfterValidator(_check_placeholders)] | None = None
    seed: Seed | None = None
    steps: Steps | None = None
    scale: Scale | None = None
    template: Template | None = None
    overwrite: bool | None = None
    output: (
        Annotated[Text, AfterValidator(_check_placeholders), AfterValidator(_check_output)] | None
    ) = None
    logo: Logo | None = None
    model: Model | None = None
    variants: Annotated[StrictInt, Field(ge=1, le=MAX_VARIANTS)] = 1
    req_json: dict[str, Any] = Field(default={})

    @field_validator("req_json")
    @classmethod
    def _check_req_json(cls, value: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        problems = merge_problems(value)
        if "req_key" in value:
            problems.append("'req_key' has a field of its own: use model.")
        if "logo_info" in value and info.data.get("logo") is not None:
            problems.append("'logo_info' is set by logo as well: leave one of them out.")
        # The parameters of a model are not known if the model itself is invalid.
        if not problems and "model" in info.data:
            problems += model_problems({**value, **_request_key(info.data["model"])})
        if problems:
            raise ValueError(" ".join(problems))
        return value

    @property
    def wraps_prompt(self) -> bool:
        """Return whether the prompt has the object's own in it."""
        return self.prompt is not None and "prompt" in names_in(self.prompt)

    def filled(
        self, field: Literal["prompt", "output"], values: Mapping[str, str], problems: list[Problem]
    ) -> str | None:
        """Return a text with its placeholders filled in, None if there is no text.

        Appends a problem for each placeholder that has no value.
        """
        text: str | None = getattr(self, field)
        missing = [name for name in names_in(text or "") if name not in values]
        for name in missing:
            what = "a file name" if name in OF_KEY else f"{META}{name}"
            message = f"The preset for {self.prefix!r} needs {what} for its {field}"
            problems.append(Problem("", f"{message}, and there is none."))
        return None if text is None or missing else expand(text, values)

    @property
    def instructions(self) -> dict[str, Any]:
        """The fields of `Instructions` that are set, except prompt, output and `req_json`."""
        fields = self.model_dump(exclude_none=True, include=_INSTRUCTIONS)
        if self.model is not None:
            fields |= {"model_action": self.model.action, "model_version": self.model.version}
        return fields

    @property
    def request_parts(self) -> dict[str, Any]:
        """The parts of the model's request that are set."""
        logo = {} if self.logo is None else {"logo_info": self.logo.model_dump(exclude_none=True)}
        return {**self.req_json, **logo, **_request_key(self.model)}


def preset_for(key: str, presets: Iterable[Preset]) -> Preset | None:
    """Return the first preset whose prefix an object's key begins with."""
    return next((preset for preset in presets if key.startswith(preset.prefix)), None)


def read_presets(value: object) -> object:
    """Return the list in a JSON text, or in the `.json` file that the text names.

    A relative path begins at the function's root. Raises ValueError with a sentence.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    what, content = "it", text.encode("utf-8", "surrogateescape")
    if not text.startswith(("[", "{")):
        if not text.endswith(".json"):
            # Not shown: a text that was put there by mistake may be a secret.
            raise ValueError("it is neither a list in JSON nor the path of a .json file")
        path = ROOT / text
        what = f"the file {path}"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(f"{what} cannot be read ({error.strerror})") from None
    try:
        found = json.loads(content)
        is_whole = is_utf8(json.dumps(found, ensure_ascii=False))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what} is not JSON ({error})") from None
    if not is_whole:
        raise ValueError(f"{what} has half of a surrogate pair (\\ud800 to \\udfff)")
    if not isinstance(found, list):
        raise ValueError(  # noqa: TRY004 - pydantic reports a ValueError only
            f"{what} is not a list: put the presets between [ and ]"
        )
    return found


def unknown_field(place: Sequence[str]) -> str:
    """Return the message for an unknown field, with the most similar one.

    `place` is its place in the list of presets, such as `0`, `logo`, `positon`.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    kinds: dict[str, type[BaseModel]] = {"logo": Logo, "model": Model}
    fields = (kinds.get(place[1], Preset) if len(place) > 2 else Preset).model_fields
    near = get_close_matches(place[-1], fields, n=1, cutoff=_LIKENESS)
    known = f"the nearest is {near[0]!r}" if near else f"there are {', '.join(fields)}"
    return f"there is no such field; {known}"


def _request_key(model: Model | None) -> dict[str, str]:
    return {} if model is None else {"req_key": model.req_key}


def values_for(key: str, metadata: Mapping[str, str], default_prompt: str | None) -> dict[str, str]:
    """Return the values of placeholders, without empty ones; `metadata` is decoded."""
    filename = key.rpartition("/")[2]
    values = {name: value.strip() for name, value in metadata.items()}
    values |= {
        "prompt": values.get("prompt") or default_prompt or "",
        "filename": filename,
        "stem": PurePosixPath(filename).stem,
    }
    return {name: value for name, value in values.items() if value}
