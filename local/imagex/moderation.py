"""Refuse by marker words in the prompt, where the real model's review would refuse.

| marker | code | what it stands for |
|---|---|---|
| `[refuse]`, 违禁 | 50412 | the prompt failed review |
| `[refuse-words]`, 敏感词 | 50413 | the prompt holds sensitive words |
| `[refuse-image]`, 违规图 | 50411 | the input image failed review |
| `[copyright]`, 侵权 | 50518 | the input image is somebody's property |
| `[no-face]`, 无人脸 | 60102 | no face was found |
| `[review-down]`, 审核故障 | 50520 | the review itself failed |
| `[not-activated]`, 未开通 | 50400 | the model is not activated |
| `[refuse-output]`, 违规结果 | 50511 | the output failed review, always |
| `[refuse-output-once]`, 违规一次 | 50511 | the same, for the first seed tried on a source alone |
"""

from collections.abc import Callable

from local.imagex.answers import ModelRefusal

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
"""Markers that refuse before anything is made."""

AFTER: dict[str, int] = {"[refuse-output]": 50511, "违规结果": 50511}
"""Markers that refuse what was made."""

AFTER_ONCE: dict[str, int] = {"[refuse-output-once]": 50511, "违规一次": 50511}
"""Markers that refuse the first thing that was made of a source."""


def review_input(prompt: str) -> None:
    """Raise ModelRefusal where a marker refuses the prompt or the input."""
    for marker, code in BEFORE.items():
        if marker in prompt:
            raise ModelRefusal(code)


def review_output(prompt: str, is_first: Callable[[], bool]) -> ModelRefusal | None:
    """Say why the output is refused, or None; `is_first` tells whether it is its source's first."""
    for marker, code in AFTER.items():
        if marker in prompt:
            return ModelRefusal(code)
    for marker, code in AFTER_ONCE.items():
        if marker in prompt and is_first():
            return ModelRefusal(code)
    return None
