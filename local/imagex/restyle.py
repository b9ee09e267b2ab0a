"""Repaint a picture without a model, with Pillow's own filters, and mark it as a stand-in's.

The prompt selects the style and the colour of its tint, prompt and seed together the grain, the
angles and the balance of colours. The same picture, prompt and seed give the same bytes.
"""

import colorsys
import hashlib
import io
import random
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

MAX_EDGE_PIXELS = 4096
"""The longest edge of an output; a larger input is scaled down to it."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "ICO", "AVIF")
"""The formats that are read. veImageX reads HEIC too, which Pillow cannot decode (508/1359436)."""

MARK = "LOCAL STAND-IN"

_WORK_EDGE_PIXELS = 1280  # styles are applied at most at this size: a large picture takes no longer

Style = Callable[[Image.Image, random.Random, float], Image.Image]
"""Repaints an RGB picture; the number is the hue of its tint, in degrees."""


class NotAPictureError(ValueError):
    """The bytes are not a picture of a supported format."""


def restyle(image: bytes, prompt: str, seed: int) -> bytes:
    """Return `image` repainted: PNG for a PNG, JPEG for any other. Raises NotAPictureError."""
    with decode(image) as opened:
        is_png = opened.format == "PNG"
        picture = _flatten(opened)
    size = picture.size
    picture.thumbnail((_WORK_EDGE_PIXELS, _WORK_EDGE_PIXELS), Image.Resampling.LANCZOS)
    chance = random.Random(_digest(f"{seed}:{prompt}"))  # noqa: S311 - a picture, no secret
    # The prompt sets the colour, the seed shifts it: two seeds are two versions of one idea.
    hue = _digest(prompt) % 360 + chance.uniform(-45, 45)
    style, _ = STYLES[style_of(prompt)]
    painted = style(ImageOps.autocontrast(picture, cutoff=1), chance, hue)
    painted = painted.resize(size, Image.Resampling.BICUBIC)
    _mark(painted)
    out = io.BytesIO()
    if is_png:
        painted.save(out, "PNG", compress_level=4)
    else:
        painted.save(out, "JPEG", quality=90)
    return out.getvalue()


def style_of(prompt: str) -> str:
    """Return the style that `prompt` asks for; if it names none, one by its hash."""
    lowered = prompt.lower()
    for name, (_, words) in STYLES.items():
        if any(word in lowered for word in words):
            return name
    return list(STYLES)[_digest(prompt) % len(STYLES)]


def decode(image: bytes) -> Image.Image:
    """Open a picture of a supported format. Raises NotAPictureError."""
    try:
        opened = Image.open(io.BytesIO(image), formats=FORMATS)
        opened.load()
    # Pillow's decoders raise any of these for damaged data.
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise NotAPictureError(
            f"not a picture in one of the formats {', '.join(FORMATS)}, or a damaged one"
        ) from error
    return opened


def comic(picture: Image.Image, chance: random.Random, hue: float) -> Image.Image:
    """Reduce to few strong colours inside bold outlines."""
    flat = ImageEnhance.Color(_smooth(picture, ImageFilter.MedianFilter(3))).enhance(1.8)
    flat = ImageOps.posterize(_tinted(flat, hue, 0.4), chance.choice((2, 3)))
    return ImageChops.multiply(flat, _outlines(picture, 3))


def watercolor(picture: Image.Image, chance: random.Random, hue: float) -> Image.Image:
    """Let light colours run into one another on rough paper, with dark rims."""
    wash = _smooth(picture, ImageFilter.MedianFilter(5)).filter(ImageFilter.GaussianBlur(1.5))
    wash = ImageChops.soft_light(_tinted(wash, hue, 0.35), _grain(picture.size, chance, 70))
    light = Image.blend(ImageEnhance.Color(wash).enhance(1.5), _paper(picture.size), 0.35)
    rims = Image.blend(_outlines(wash, 4), _paper(picture.size), 0.5)
    paper = Image.blend(_paper(picture.size), _grain(picture.size, chance, 2), 0.08)
    return ImageChops.multiply(ImageChops.multiply(light, rims), paper)


def oil(picture: Image.Image, chance: random.Random, hue: float) -> Image.Image:
    """Spread patches of deep colour, with the relief of thick paint."""
    paint = _smooth(picture, ImageFilter.ModeFilter(7)).filter(ImageFilter.MedianFilter(3))
    paint = ImageEnhance.Color(_tinted(paint, hue, 0.3)).enhance(1.5)
    bristles = _grain(picture.size, chance, chance.choice((4, 5, 6)))
    relief = ImageChops.add(paint, bristles, scale=2).convert("L").filter(ImageFilter.EMBOSS)
    return ImageChops.soft_light(ImageEnhance.Contrast(paint).enhance(1.1), relief.convert("RGB"))


def sketch(picture: Image.Image, chance: random.Random, hue: float) -> Image.Image:
    """Draw pencil contours on paper: dark only at differences from the surroundings."""
    grey = picture.convert("L")
    blurred = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(6))
    contours = ImageChops.add(grey, blurred).point([round(v**3 / 255**2) for v in range(256)])
    shaded = Image.blend(contours, grey, 0.2)
    rough = Image.blend(shaded, _grain(picture.size, chance, 2).convert("L"), 0.15)
    rough = ImageOps.autocontrast(rough, cutoff=(0, 30))
    return ImageOps.colorize(rough, _colour(hue, 0.5, 0.2), "#fcf9f2", mid=_colour(hue, 0.15, 0.6))


def cyberpunk(picture: Image.Image, chance: random.Random, hue: float) -> Image.Image:
    """Light the outlines as neon over a dark duotone, with the colour channels moved apart."""
    warm, cold = _colour(290 + hue % 50, 0.85, 0.75), _colour(170 + hue % 40, 0.5, 1.0)
    toned = ImageOps.colorize(picture.convert("L"), "#0a0522", cold, mid=warm)
    neon = ImageOps.invert(_outlines(picture, 3)).convert("L")
    neon = ImageOps.colorize(neon, "black", _colour(310 + hue % 30, 0.8, 1.0))
    lit = ImageChops.screen(ImageChops.screen(toned, neon.filter(ImageFilter.BoxBlur(6))), neon)
    red, green, blue = ImageEnhance.Brightness(lit).enhance(0.85).split()
    return Image.merge("RGB", (ImageChops.offset(red, chance.randrange(2, 6), 0), green, blue))


def pixel(picture: Image.Image, chance: random.Random, hue: float) -> Image.Image:
    """Set large pixels of a small palette."""
    small = picture.copy()
    small.thumbnail((chance.choice((72, 88, 104)),) * 2)
    small = ImageEnhance.Color(_tinted(small, hue, 0.4)).enhance(1.6)
    small = small.quantize(chance.choice((10, 14, 18))).convert("RGB")
    return small.resize(picture.size, Image.Resampling.NEAREST)


STYLES: dict[str, tuple[Style, tuple[str, ...]]] = {
    "comic": (
        comic,
        ("漫画", "动漫", "卡通", "波普", "comic", "manga", "anime", "cartoon", "pop art"),
    ),
    "watercolor": (watercolor, ("水彩", "watercolor", "watercolour", "aquarelle")),
    "sketch": (
        sketch,
        ("素描", "铅笔", "线稿", "水墨", "国画", "sketch", "pencil", "drawing", "ink"),
    ),
    "oil": (oil, ("油画", "梵高", "印象派", "oil", "impressionis", "van gogh")),
    "pixel": (pixel, ("像素", "pixel", "8-bit", "8bit")),
    "cyberpunk": (cyberpunk, ("赛博", "霓虹", "夜", "cyberpunk", "neon", "synthwave", "night")),
}
"""Each style and the words of a prompt that ask for it; the first that matches is taken."""


def _smooth(picture: Image.Image, smoothing: ImageFilter.Filter) -> Image.Image:
    """Smooth small detail at half the size: a rank filter's cost grows with its area."""
    half = picture.resize((max(1, picture.width // 2), max(1, picture.height // 2)))
    return half.filter(smoothing).resize(picture.size, Image.Resampling.BICUBIC)


def _outlines(picture: Image.Image, strength: int) -> Image.Image:
    """Return the picture's edges, dark on white."""
    grey = picture.convert("L").filter(ImageFilter.GaussianBlur(1.2))
    lightest, darkest = grey.filter(ImageFilter.MaxFilter(3)), grey.filter(ImageFilter.MinFilter(3))
    edges = ImageChops.subtract(lightest, darkest)
    return edges.point([max(0, 255 - strength * max(0, v - 12)) for v in range(256)]).convert("RGB")


def _grain(size: tuple[int, int], chance: random.Random, pixels: int) -> Image.Image:
    """Return grey noise, 128 on average, with grains of about `pixels` pixels."""
    # Pillow's own effect_noise draws from the C library: it is not repeatable.
    width, height = max(2, size[0] // pixels), max(2, size[1] // pixels)
    noise = Image.frombytes("L", (width, height), chance.randbytes(width * height))
    return noise.resize(size, Image.Resampling.BICUBIC).convert("RGB")


def _paper(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", size, "#fcf9f2")


def _tinted(picture: Image.Image, hue: float, amount: float) -> Image.Image:
    layer = Image.new("RGB", picture.size, _colour(hue, 0.6, 0.95))
    return Image.blend(picture, ImageChops.overlay(picture, layer), amount)


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    """Return an RGB colour; `hue` in degrees, saturation and value from 0 to 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _flatten(opened: Image.Image) -> Image.Image:
    """Turn it upright, lay it on white, scale it down to the largest size of an output."""
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
