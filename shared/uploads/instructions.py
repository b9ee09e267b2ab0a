"""Object metadata + presets + defaults → one `Instructions` value.

Metadata wins over the first preset whose prefix matches, which wins over the defaults. Everything
that is wrong is reported together; no prompt anywhere is not wrong, it means "leave it alone".
"""

import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

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
from shared.clients.tos import META
from shared.errors import Problem, RejectedUpload
from shared.uploads.metadata import Metadata, Requested, shortened
from shared.uploads.presets import Preset, preset_for, values_for


class Defaults(NamedTuple):
    """The values that apply if an upload's metadata does not give them."""

    presets: tuple[Preset, ...]
    prompt: str | None
    template: str
    output_prefix: str


class Instructions(BaseModel):
    """The parameters of an upload's generation, stored in its record for every attempt.

    `variant` is the number of this one among `variants`, counted from 1.
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
        """Return whether another attempt may have another seed."""
        return self.seed == -1

    def seed_for(self, output: str) -> int:
        """Return the seed of the attempt that stores its output as `output`, -1 for a random one.

        A given seed is incremented for each variant. The provider may choose the same random seed
        for two variants; so those of several variants follow from the output's name, which differs
        for each attempt of each variant.
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


def resolve(key: str, metadata: Metadata, defaults: Defaults) -> Instructions | str:
    """Return the instructions for the object `key`, or in a sentence why it is skipped.

    Raises RejectedUpload with every problem.
    """
    requested, prefix = metadata.requested, defaults.output_prefix
    if requested.skip:
        return f"{META}skip is set."
    problems = [*metadata.problems, *_problems_of(requested, prefix)]
    preset = preset_for(key, defaults.presets) if defaults.presets else None
    values = values_for(key, metadata.texts, defaults.prompt) if preset else {}
    prompt = _prompt(requested.prompt, defaults.prompt, preset, values, problems)
    if not prompt and not problems:
        return (
            f"There is no prompt: set {META}prompt on the object, a preset for its prefix in "
            "REPAINT_PRESETS, or REPAINT_DEFAULT_PROMPT."
        )
    output = requested.output or _preset_output(preset, values, prefix, problems)
    req_json = {**(preset.request_parts if preset else {}), **(requested.req_json or {})}
    if not problems and req_json:
        problems += [Problem("req_json", f"is refused: {p}") for p in model_problems(req_json)]
    if problems:
        raise RejectedUpload(problems)
    fields = {"template": defaults.template, **(preset.instructions if preset else {})}
    given = {name: getattr(requested, name) for name in _TAKEN_OVER}
    fields |= {name: value for name, value in given.items() if value is not None}
    return Instructions(prompt=prompt or "", output=output, req_json=req_json, **fields)


_TAKEN_OVER = ("seed", "steps", "scale", "template", "overwrite")


def _problems_of(requested: Requested, prefix: str) -> list[Problem]:
    """Return the problems of values that are valid by themselves."""
    problems = []
    if requested.output and (problem := output_name_problem(prefix + requested.output)):
        message = f"is {shortened(requested.output)}: with its prefix {prefix!r} it {problem}."
        problems.append(Problem("output", message))
    if requested.req_json:
        found = merge_problems(requested.req_json)
        problems += [Problem("req_json", f"is refused: {problem}") for problem in found]
    return problems


def _prompt(
    own: str | None,
    default: str | None,
    preset: Preset | None,
    values: Mapping[str, str],
    problems: list[Problem],
) -> str | None:
    if preset is None or (own and not preset.wraps_prompt):
        return own or default
    if preset.wraps_prompt and not (own or default):
        return None  # nothing to wrap: the object is skipped, whatever else the preset needs
    return preset.filled("prompt", values, problems) or default


def _preset_output(
    preset: Preset | None, values: Mapping[str, str], prefix: str, problems: list[Problem]
) -> str | None:
    output = preset.filled("output", values, problems) if preset else None
    if preset and output and (problem := output_name_problem(prefix + output)):
        message = (
            f"The preset for {preset.prefix!r} makes the output {shortened(output)} of "
            f"{preset.output!r}: with its prefix {prefix!r} it {problem}."
        )
        problems.append(Problem("", message))
    return output
