"""Refuse prompts with marker words, in place of the real model's review.

| marker | code | meaning |
|---|---|---|
| `[refuse]`, 违禁 | 50412 | the prompt failed review |
| `[refuse-words]`, 敏感词 | 50413 | the prompt holds sensitive words |
| `[refuse-image]`, 违规图 | 50411 | the input image failed review |
| `[copyright]`, 侵权 | 50518 | the input image is somebody's property |
| `[no-face]`, 无人脸 | 60102 | no face was found |
| `[review-down]`, 审核故障 | 50520 | the review itself failed |
| `[not-activated]`, 未开通 | 50400 | the model is not activated |
| `[refuse-output]`, 违规结果 | 50511 | the output failed review, always |
| `[refuse-output-once]`, 违规一次 | 50511 | the same, only for the first seed tried on a source |
"""

from collections.abc import Callable

from local.imagex.errors import ModelError

BEFORE: dict[str, int] = {
    "[refuse]": 50412,
    "违禁": 50412,
    "[refuse-words]": 50413,
    "敏感词": 50413,
    "[refuse-image]": 50411,
    "违规图": 50411,
    "[copyright]": 50518,
    "侵权": 50518,
    "[no-face]": 60102,
    "无人脸": 60102,
    "[review-down]": 50520,
    "审核故障": 50520,
    "[not-activated]": 50400,
    "未开通": 50400,
}
"""Markers that refuse before an image is made."""

AFTER: dict[str, int] = {"[refuse-output]": 50511, "违规结果": 50511}
"""Markers that refuse the image."""

AFTER_ONCE: dict[str, int] = {"[refuse-output-once]": 50511, "违规一次": 50511}
"""Markers that refuse the first image of a source."""


def review_input(prompt: str) -> None:
    """Raise ModelError if a marker refuses the prompt or the input."""
    for marker, code in BEFORE.items():
        if marker in prompt:
            raise ModelError(code)


def review_output(prompt: str, is_first: Callable[[], bool]) -> ModelError | None:
    """Return the error that refuses the output, or None; `is_first` checks if it is a first one."""
    for marker, code in AFTER.items():
        if marker in prompt:
            return ModelError(code)
    for marker, code in AFTER_ONCE.items():
        if marker in prompt and is_first():
            return ModelError(code)
    return None
