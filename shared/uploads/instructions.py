"""Object metadata + presets + defaults → one `Instructions` value.

Metadata wins over the first preset whose prefix matches, which wins over the defaults. Everything
that is wrong is reported together; no prompt anywhere is not wrong, it means "leave it alone".
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from shared.clients.imagex_model import (
    MODEL,
    MODEL_ACTION,
    MODEL_VERSION,
    CallBody,
    ReqJson,
    Scale,
    Seed,
    Steps,
    merge_problems,
    model_problems,
    output_name_problem,
)
from shared.errors import RejectedUpload
from shared.settings import Settings
from shared.uploads.metadata import META
from shared.uploads.presets import OF_PRESET, Preset, preset_for, values_for

_YES, _NO = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


class Instructions(BaseModel):
    """What to make of an upload. Stored in its record, so that a later attempt asks the same.

    `variant` is which one of how many `variants` this is, counted from 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: str
    seed: Seed = -1
    steps: Steps = 20
    scale: Scale = 7.0
    output: str | None = None
    template: str
    overwrite: bool = False
    model_action: str = MODEL_ACTION
    model_version: str = MODEL_VERSION
    req_json: dict[str, Any] = {}
    variant: int = 1
    variants: int = 1

    @property
    def seed_is_free(self) -> bool:
        """Tell whether another attempt may draw another seed."""
        return self.seed == -1

    def seed_for(self, output: str) -> int:
        """Return the seed of the attempt that stores its output as `output`, -1 to have it drawn.

        A given one is counted up from variant to variant. Free ones of several variants are not
        left to the provider, which may draw the same twice: they follow from the output's name,
        another one for each attempt of each variant.
        """
        if not self.seed_is_free:
            return self.seed + self.variant - 1
        if self.variants == 1:
            return -1
        return int.from_bytes(hashlib.sha256(output.encode()).digest()[:4]) >> 1

    def call_body(self, *, domain: str, output: str, image_url: str) -> CallBody:
        """Build the call's body for the picture at `image_url`, to be stored as `output`."""
        merged = {
            **self.req_json,
            "prompt": self.prompt,
            "seed": self.seed_for(output),
            "ddim_step": self.steps,
            "scale": self.scale,
            "image_urls": [image_url, *self.req_json.get("image_urls", [])],
        }
        of_this_model = merged.setdefault("req_key", MODEL) == MODEL
        return CallBody(
            domain=domain,
            template=self.template,
            outputs=[output],
            overwrite=self.overwrite,
            image_url=image_url,
            model_action=self.model_action,
            model_version=self.model_version,
            req_json=ReqJson.model_validate(merged) if of_this_model else merged,
        )


def resolve(key: str, metadata: Mapping[str, str], settings: Settings) -> Instructions | str:
    """Return what to make of the object `key`, or in a sentence why it is left alone.

    `metadata` as `metadata.decoded` returns it. Raises RejectedUpload with every reason.
    """
    problems: list[str] = []
    if "skip" in metadata and _read_flag(metadata, "skip", problems):
        return f"{META}skip asks for it."
    preset = preset_for(key, settings.presets) or Preset(prefix="")
    values = values_for(key, metadata, settings.default_prompt)
    given = {
        "seed": _read(metadata, "seed", _SEED, problems),
        "steps": _read(metadata, "steps", _STEPS, problems),
        "scale": _read(metadata, "scale", _SCALE, problems),
        "output": _read_output(metadata, settings.output_prefix, problems),
        "template": _read_template(metadata, problems),
        "overwrite": _read_flag(metadata, "overwrite", problems),
    }
    req_json = {**preset.request_parts, **_read_req_json(metadata, problems)}
    prompt: str | None
    if preset.wraps_prompt:
        prompt = preset.filled("prompt", values, problems) if "prompt" in values else None
    else:
        own = _clean(metadata.get("prompt"))
        prompt = own or preset.filled("prompt", values, problems) or settings.default_prompt
    if not prompt and not problems:
        return (
            f"There is no prompt: set {META}prompt on the object, a preset for its prefix in "
            "REPAINT_PRESETS, or REPAINT_DEFAULT_PROMPT."
        )
    if not metadata.get("output"):
        given["output"] = _made_output(preset, values, settings.output_prefix, problems)
    problems += model_problems(req_json) if not problems else []
    if problems:
        raise RejectedUpload(problems)
    base: dict[str, Any] = {"template": settings.template}
    base |= preset.model_dump(exclude_none=True, include=_TAKEN_OVER)
    if preset.model is not None:
        base |= {"model_action": preset.model.action, "model_version": preset.model.version}
    base |= {name: value for name, value in given.items() if value is not None}
    return Instructions(prompt=prompt or "", req_json=req_json, **base)


_TAKEN_OVER = {"seed", "steps", "scale", "template", "overwrite", "variants"}
_SEED: TypeAdapter[int] = TypeAdapter(Seed)
_STEPS: TypeAdapter[int] = TypeAdapter(Steps)
_SCALE: TypeAdapter[float] = TypeAdapter(Scale)
_WANTED = {
    "seed": "a whole number is needed, -1 for a random one",
    "steps": "a whole number from 1 to 50 is needed",
    "scale": "a number from 1 to 30 is needed",
}


def _clean(value: str | None) -> str | None:
    return value.strip() or None if value else None


def _made_output(
    preset: Preset, values: Mapping[str, str], prefix: str, problems: list[str]
) -> str | None:
    value = preset.filled("output", values, problems)
    problem = output_name_problem(prefix + value) if value else None
    if value and problem:
        problems.append(
            f"{OF_PRESET} {preset.prefix!r} makes the output {_shown(value)} of "
            f"{preset.output!r}: with its prefix {prefix!r} it {problem}."
        )
    return value


def _shown(value: str) -> str:
    return repr(value if len(value) <= 60 else value[:57] + "…")


def _read(
    metadata: Mapping[str, str], name: str, adapter: TypeAdapter[Any], problems: list[str]
) -> int | float | None:
    value = _clean(metadata.get(name))
    if value is None:
        return None
    try:
        number = float(value) if name == "scale" else int(value)
        return adapter.validate_python(number)  # type: ignore[no-any-return]  # int or float
    except ValueError:
        problems.append(f"{META}{name} is {_shown(value)}: {_WANTED[name]}.")
        return None


def _read_flag(metadata: Mapping[str, str], name: str, problems: list[str]) -> bool | None:
    value = _clean(metadata.get(name))
    if value is None:
        return None
    if value.lower() not in _YES + _NO:
        problems.append(f"{META}{name} is {_shown(value)}: 'true' or 'false' is needed.")
        return None
    return value.lower() in _YES


def _read_output(metadata: Mapping[str, str], prefix: str, problems: list[str]) -> str | None:
    value = metadata.get("output")
    if not value:
        return None
    problem = output_name_problem(prefix + value)
    if problem:
        problems.append(
            f"{META}output is {_shown(value)}: with its prefix {prefix!r} it {problem}."
        )
    return value


def _read_template(metadata: Mapping[str, str], problems: list[str]) -> str | None:
    value = _clean(metadata.get("template"))
    if value and ("~" in value or any(character.isspace() for character in value)):
        problems.append(f"{META}template is {_shown(value)}: it has neither '~' nor spaces.")
    return value


def _read_req_json(metadata: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    value = _clean(metadata.get("req-json"))
    if value is None:
        return {}
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        problems.append(f"{META}req-json is not JSON: {error}.")
        return {}
    if not isinstance(found, dict):
        problems.append(f"{META}req-json is not a JSON object.")
        return {}
    problems.extend(f"{META}req-json: {problem}" for problem in merge_problems(found))
    return found
