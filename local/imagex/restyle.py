"""Repaint a picture without a model: deterministic, by Pillow alone, and plainly marked as such.

The prompt chooses the style (see `STYLES`, or its hash where it names none) and the palette;
prompt and seed together choose everything that is left to chance: strokes, grain, balance.
"""

import hashlib
import io
import random

from PIL import Image, ImageDraw, ImageFont, ImageOps

from local.imagex import brushes, prints
from local.imagex.canvas import Canvas, Style

MAX_EDGE_PIXELS = 4096
"""The longest edge of an output; a larger input is shrunk to it."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "ICO", "AVIF")
"""What is read. veImageX reads HEIC too, for which Pillow has no decoder (508/1359436)."""

MARK = "LOCAL STAND-IN"

_WORK_EDGE_PIXELS = 1280  # styles work at most at this size, so that a large picture costs no more

STYLES: dict[str, tuple[Style, tuple[str, ...]]] = {
    "comic": (prints.comic, ("漫画", "动漫", "卡通", "comic", "manga", "anime", "cartoon")),
    "watercolor": (brushes.watercolor, ("水彩", "watercolor", "watercolour", "aquarelle")),
    "sketch": (brushes.sketch, ("素描", "铅笔", "线稿", "sketch", "pencil", "drawing")),
    "ink": (brushes.ink, ("水墨", "国画", "ink wash", "sumi")),
    "oil": (brushes.oil, ("油画", "梵高", "印象派", "oil", "impressionis", "van gogh")),
    "pixel": (prints.pixel, ("像素", "pixel", "8-bit", "8bit")),
    "cyberpunk": (prints.cyberpunk, ("赛博", "霓虹", "cyberpunk", "neon", "synthwave")),
    "night": (brushes.night, ("夜", "星空", "月光", "night", "moonlight", "starry")),
    "woodcut": (
        prints.woodcut,
        ("版画", "木刻", "浮世绘", "woodcut", "woodblock", "linocut", "ukiyo"),
    ),
    "pop": (prints.pop, ("波普", "网点", "pop art", "pop-art", "halftone", "poster")),
}
"""Each style and the words of a prompt that ask for it; the first that matches is taken."""


class NotAPictureError(ValueError):
    """These bytes are no picture of a supported format."""


def style_of(prompt: str) -> str:
    """Name the style that `prompt` asks for."""
    lowered = prompt.lower()
    for name, (_, words) in STYLES.items():
        if any(word in lowered for word in words):
            return name
    return random.Random(_digest(prompt)).choice(list(STYLES))  # noqa: S311 - a picture, no secret


def restyle(image: bytes, prompt: str, seed: int, chance: random.Random | None = None) -> bytes:
    """Return `image` repainted as `prompt` says, PNG for a PNG and JPEG for anything else.

    A seed of -1 is drawn from `chance`. Raises NotAPictureError.
    """
    if seed == -1:
        seed = draw_seed(chance or random.Random())  # noqa: S311 - a picture, no secret
    with decode(image) as opened:
        is_png = opened.format == "PNG"
        picture = _flatten(opened)
    size = picture.size
    picture.thumbnail((_WORK_EDGE_PIXELS, _WORK_EDGE_PIXELS), Image.Resampling.LANCZOS)
    strokes = random.Random(_digest(f"{seed}:{prompt}"))  # noqa: S311 - a picture, no secret
    # The prompt sets the colour, the seed moves it: two seeds are two versions of one idea.
    hue = _digest(prompt) % 360 + strokes.uniform(-45, 45)
    canvas = Canvas(picture=picture, chance=strokes, hue=hue)
    painted = STYLES[style_of(prompt)][0](canvas)
    if painted.size != size:
        painted = painted.resize(size, Image.Resampling.BICUBIC)
    _mark(painted)
    out = io.BytesIO()
    if is_png:
        painted.save(out, "PNG", compress_level=4)
    else:
        painted.save(out, "JPEG", quality=90)
    return out.getvalue()


def draw_seed(chance: random.Random) -> int:
    """Draw the seed of a call that left it free (-1)."""
    return chance.randrange(2**31)


def decode(image: bytes) -> Image.Image:
    """Open a picture of a supported format; raises NotAPictureError for anything else."""
    try:
        opened = Image.open(io.BytesIO(image), formats=FORMATS)
        opened.load()
    # Pillow's decoders raise what their formats' damage makes of them.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise NotAPictureError(
            f"not a picture in one of the formats {', '.join(FORMATS)}, or a damaged one"
        ) from error
    return opened


def _flatten(opened: Image.Image) -> Image.Image:
    """Turn it upright, lay it on white, shrink it to the size an output may have."""
    upright = ImageOps.exif_transpose(opened)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        ground = Image.new("RGBA", layer.size, "white")
        upright = Image.alpha_composite(ground, layer)
    picture = upright.convert("RGB")
    picture.thumbnail((MAX_EDGE_PIXELS, MAX_EDGE_PIXELS), Image.Resampling.LANCZOS)
    return picture


def _mark(picture: Image.Image) -> None:
    """Write the mark into the bottom right corner, so that nobody takes this for the model's."""
    width, height = picture.size
    font = ImageFont.load_default(size=max(8, min(width, height) // 32))
    draw = ImageDraw.Draw(picture, "RGBA")
    left, top, right, bottom = draw.textbbox((0, 0), MARK, font=font)
    pad = max(2, int(bottom - top) // 2)
    x, y = width - right - 2 * pad, height - bottom - 2 * pad
    draw.rounded_rectangle(
        (x + left - pad, y + top - pad, x + right + pad, y + bottom + pad),
        radius=pad,
        fill=(0, 0, 0, 120),
    )
    draw.text((x, y), MARK, font=font, fill=(255, 255, 255, 220))


def _digest(text: str) -> int:
    # Python's own hash() of a string differs from process to process.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
