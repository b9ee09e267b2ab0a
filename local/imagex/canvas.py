"""What the styles of `restyle` work with: a picture, a source of chance, and a few tools."""

import colorsys
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

Colour = tuple[int, int, int]

FLAT = 10  # a difference in brightness that counts as no contour


@dataclass(frozen=True, slots=True)
class Canvas:
    """An RGB picture to repaint; `hue` is the prompt's own colour, in degrees."""

    picture: Image.Image
    chance: random.Random
    hue: float

    @property
    def unit(self) -> float:
        """The length of strokes and dots: 1 for a picture whose shorter edge is 427 pixels."""
        return max(0.25, min(self.picture.size) / 427)


Style = Callable[[Canvas], Image.Image]


def hue(degrees: float, saturation: float, value: float) -> Colour:
    """Make a colour; saturation and value from 0 to 1."""
    red, green, blue = colorsys.hsv_to_rgb(degrees % 360 / 360, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def gradient(grey: Image.Image, stops: Sequence[Colour]) -> Image.Image:
    """Colour a greyscale picture: black as the first of `stops`, white as the last."""
    table: list[int] = []
    for level in range(256):
        place = level / 255 * (len(stops) - 1)
        low = min(int(place), len(stops) - 2)
        share = place - low
        table += [
            round(a + (b - a) * share) for a, b in zip(stops[low], stops[low + 1], strict=True)
        ]
    mapped = grey.copy()
    mapped.putpalette(table)
    return mapped.convert("RGB")


def smooth(picture: Image.Image, times: int = 2) -> Image.Image:
    """Even out small detail and keep the edges."""
    # At half the size: a median costs the square of its width.
    half = picture.resize(
        (max(1, picture.width // 2), max(1, picture.height // 2)), Image.Resampling.BOX
    )
    for _ in range(times):
        half = half.filter(ImageFilter.MedianFilter(3))
    return half.resize(picture.size, Image.Resampling.BICUBIC)


def flatten(picture: Image.Image, colours: int) -> Image.Image:
    """Reduce a picture to its `colours` main colours, in flat patches."""
    small = picture.copy()
    small.thumbnail((160, 160))
    palette = small.quantize(colours, Image.Quantize.MEDIANCUT)
    return picture.quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB")


def lines(picture: Image.Image, width: float, strength: float) -> Image.Image:
    """Draw the outlines, black on white, by the difference of two blurs."""
    grey = ImageOps.autocontrast(picture.convert("L"), cutoff=1)
    fine = grey.filter(ImageFilter.GaussianBlur(width))
    wide = grey.filter(ImageFilter.GaussianBlur(width * 2.2))
    # `wide - fine` is above 0 on the dark side of an edge.
    edge = ImageChops.subtract(wide, fine)
    ramp = [round(255 - 255 * min(1.0, max(0.0, (v - 3) * strength / 12))) for v in range(256)]
    return edge.point(ramp)


def noise(size: tuple[int, int], chance: random.Random, grain: float) -> Image.Image:
    """Make greyscale noise with grains of about `grain` pixels; 128 on average."""
    # Pillow's own effect_noise takes its chance from the C library: not repeatable.
    width, height = max(2, round(size[0] / grain)), max(2, round(size[1] / grain))
    grains = Image.frombytes("L", (width, height), chance.randbytes(width * height))
    return grains.resize(size, Image.Resampling.BICUBIC)


def texture(picture: Image.Image, grain: Image.Image, amount: float) -> Image.Image:
    """Lay noise over a picture as soft light, as paper and canvas show through paint."""
    flat = Image.new("L", grain.size, 128)
    toned = Image.blend(flat, grain, amount).convert("RGB")
    return ImageChops.soft_light(picture, toned)


def wobble(picture: Image.Image, chance: random.Random, reach: float, cell: int) -> Image.Image:
    """Shift the picture here and there by up to `reach` pixels, as a hand does."""
    width, height = picture.size
    columns, rows = max(1, width // cell), max(1, height // cell)

    def node(column: int, row: int) -> tuple[float, float]:
        inside = 0 < column < columns and 0 < row < rows
        shift = reach if inside else 0.0
        return (
            column * width / columns + chance.uniform(-shift, shift),
            row * height / rows + chance.uniform(-shift, shift),
        )

    nodes = [[node(column, row) for column in range(columns + 1)] for row in range(rows + 1)]
    mesh = [
        (
            (
                round(column * width / columns),
                round(row * height / rows),
                round((column + 1) * width / columns),
                round((row + 1) * height / rows),
            ),
            (
                *nodes[row][column],
                *nodes[row + 1][column],
                *nodes[row + 1][column + 1],
                *nodes[row][column + 1],
            ),
        )
        for row in range(rows)
        for column in range(columns)
    ]
    return picture.transform(picture.size, Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def dots(grey: Image.Image, pitch: float, angle: float) -> Image.Image:
    """Screen a greyscale picture into black dots on white, at `angle` degrees."""
    width, height = grey.size
    reach = int((width**2 + height**2) ** 0.5) + 4
    cells = max(2, round(reach / pitch))
    # One cell of the screen rises from its middle outwards: the darker the picture, the more of
    # it is under water. Squared, so that the area that is covered grows with the darkness.
    cell = Image.radial_gradient("L").resize((12, 12), Image.Resampling.BICUBIC)
    cell = cell.point([v * v // 255 for v in range(256)])
    row = Image.new("L", (cells * 12, 12))
    screen = Image.new("L", (cells * 12, cells * 12))
    for index in range(cells):
        row.paste(cell, (index * 12, 0))
    for index in range(cells):
        screen.paste(row, (0, index * 12))
    screen = screen.resize((reach, reach), Image.Resampling.BILINEAR)
    screen = screen.rotate(angle, Image.Resampling.BILINEAR)
    left, top = (reach - width) // 2, (reach - height) // 2
    screen = screen.crop((left, top, left + width, top + height))
    covered = ImageChops.subtract(ImageOps.invert(grey), screen)
    return covered.point([255 - min(255, v * 6) for v in range(256)])


def vignette(picture: Image.Image, ground: Colour, amount: float) -> Image.Image:
    """Let the corners fade to `ground`; `amount` from 0 to 1."""
    fall = Image.radial_gradient("L").resize(picture.size, Image.Resampling.BILINEAR)
    mask = fall.point([round(max(0, v - 120) / 135 * 255 * amount) for v in range(256)])
    return Image.composite(Image.new("RGB", picture.size, ground), picture, mask)


def colourful(picture: Image.Image, amount: float) -> Image.Image:
    """Strengthen (above 1) or weaken (below 1) the colours."""
    return ImageEnhance.Color(picture).enhance(amount)


def strokes(
    source: Image.Image,
    ground: Image.Image,
    chance: random.Random,
    *,
    length: float,
    width: int,
    count: int,
    lean: float,
) -> None:
    """Paint `count` strokes of the source's colours onto `ground`, along its contours.

    Where there is no contour they lean by `lean`, in radians.
    """
    draw = ImageDraw.Draw(ground)
    wide, high = source.size
    step = max(2, width)
    grey = source.convert("L").filter(ImageFilter.GaussianBlur(width)).tobytes()
    colours = source.tobytes()
    for _ in range(count):
        x, y = chance.randrange(wide), chance.randrange(high)
        row = y * wide
        across = grey[row + min(wide - 1, x + step)] - grey[row + max(0, x - step)]
        down = grey[min(high - 1, y + step) * wide + x] - grey[max(0, y - step) * wide + x]
        angle = lean if abs(across) + abs(down) < FLAT else math.atan2(across, -down)
        angle += chance.gauss(0, 0.18)
        half = length * chance.uniform(0.35, 0.65)
        dx, dy = math.cos(angle) * half, math.sin(angle) * half
        shade = chance.gauss(1, 0.07)
        at = (row + x) * 3
        red, green, blue = colours[at : at + 3]
        fill = (
            min(255, int(red * shade) + chance.randrange(9)),
            min(255, int(green * shade)),
            min(255, int(blue * shade) + chance.randrange(9)),
        )
        draw.line((x - dx, y - dy, x + dx, y + dy), fill=fill, width=width)
