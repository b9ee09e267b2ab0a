"""The repainting is repeatable, differs by prompt and seed, and keeps what it has to."""

import io
import statistics
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageStat

from local.imagex.restyle import MAX_EDGE_PIXELS, STYLES, NotAPictureError, restyle, style_of


def scene(size: tuple[int, int] = (120, 80), kind: str = "PNG", mode: str = "RGB") -> bytes:
    """Draw something with edges, tones and colours."""
    bands = [Image.linear_gradient("L"), Image.radial_gradient("L")]
    bands.append(bands[0].transpose(Image.Transpose.ROTATE_90))
    out = io.BytesIO()
    Image.merge("RGB", bands).resize(size).convert(mode).save(out, kind)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def difference(one: bytes, two: bytes) -> float:
    """Return how far two pictures are apart, on average, from 0 to 255."""
    apart = ImageChops.difference(opened(one).convert("RGB"), opened(two).convert("RGB"))
    return statistics.mean(ImageStat.Stat(apart).mean)


@pytest.mark.parametrize("style", STYLES)
def test_repeatable(style: str) -> None:
    """A style is repeatable, changes the picture, and differs by seed."""
    prompt = STYLES[style][1][0]
    picture = scene()
    painted = restyle(picture, prompt, 1)

    assert painted == restyle(picture, prompt, 1)
    assert difference(picture, painted) > 6
    assert restyle(picture, prompt, 2) != painted


def test_styles_differ() -> None:
    """Every style differs from every other."""
    painted = [restyle(scene(), words[0], 1) for _, words in STYLES.values()]

    apart = [difference(a, b) for i, a in enumerate(painted) for b in painted[:i]]
    assert min(apart) > 6


@pytest.mark.parametrize(
    ("prompt", "style"),
    [
        ("把照片变成漫画风格", "comic"),
        ("a WATERCOLOR of my cat", "watercolor"),
        ("铅笔素描", "sketch"),
        ("水墨山水", "sketch"),
        ("油画，梵高", "oil"),
        ("pixel art", "pixel"),
        ("赛博朋克城市", "cyberpunk"),
        ("pop art poster", "comic"),
    ],
)
def test_style_of_prompt(prompt: str, style: str) -> None:
    """The prompt selects the style, in Chinese and in English."""
    assert style == style_of(prompt)


def test_unnamed_style() -> None:
    """A prompt that names no style has one by its hash."""
    assert len({style_of(f"my cat number {number}") for number in range(60)}) > 5


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "AVIF"])
def test_formats(kind: str) -> None:
    """A PNG stays a PNG; any other format becomes a JPEG."""
    painted = opened(restyle(scene(kind=kind), "漫画", 1))

    assert "PNG" if kind == "PNG" else "JPEG" == painted.format
    assert (120, 80) == painted.size


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "I;16"])
def test_modes(mode: str) -> None:
    """A picture of any mode is repainted."""
    picture = scene(mode="L") if mode == "I;16" else scene(mode=mode)
    if mode == "I;16":
        out = io.BytesIO()
        Image.new("I;16", (40, 30), 30000).save(out, "PNG")
        picture = out.getvalue()

    assert "RGB" == opened(restyle(picture, "水彩", 1)).mode


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2)])
def test_tiny_pictures(style: str, size: tuple[int, int]) -> None:
    """A tiny picture is repainted."""
    assert size == opened(restyle(scene(size), STYLES[style][1][0], 1)).size


def test_large_picture() -> None:
    """A large picture is scaled down."""
    painted = opened(restyle(scene((MAX_EDGE_PIXELS * 2, 200)), "油画", 1))

    assert (MAX_EDGE_PIXELS, 100) == painted.size


def test_orientation() -> None:
    """A picture is turned upright by its EXIF orientation."""
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    opened(scene()).save(out, "JPEG", exif=exif)

    assert (80, 120) == opened(restyle(out.getvalue(), "漫画", 1)).size


def test_mark() -> None:
    """The mark is in the bottom right corner."""
    size = (640, 427)
    out = io.BytesIO()
    Image.new("RGB", size, (200, 200, 200)).save(out, "PNG")
    painted = opened(restyle(out.getvalue(), "像素", 1)).convert("L")

    corner = painted.crop((size[0] - 110, size[1] - 25, *size)).tobytes()
    assert max(corner) - min(corner) > 100
    assert 1 == len(painted.crop((0, 0, 200, 200)).getcolors() or [])


@given(st.binary(max_size=300))
def test_not_a_picture(data: bytes) -> None:
    """Bytes that are not a picture are refused."""
    with pytest.raises(NotAPictureError):
        restyle(data, "漫画", 1)


@given(st.integers(0, 600), st.integers(0, 255))
def test_damaged_picture(place: int, value: int) -> None:
    """A damaged picture is repainted or refused."""
    data = bytearray(scene((20, 20)))
    data[place % len(data)] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a forged size makes Pillow warn
        try:
            restyle(bytes(data), "像素", 1)
        except NotAPictureError:
            return


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_half_a_picture(share: float) -> None:
    """Half a picture is refused."""
    data = scene(kind="JPEG")

    with pytest.raises(NotAPictureError):
        restyle(data[: int(len(data) * share)], "漫画", 1)
