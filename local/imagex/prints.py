"""The styles of `restyle` that imitate print and screen."""

from PIL import Image, ImageChops, ImageFilter, ImageOps

from local.imagex.canvas import (
    Canvas,
    colourful,
    dots,
    flatten,
    gradient,
    hue,
    lines,
    noise,
    smooth,
    texture,
    vignette,
)


def comic(canvas: Canvas) -> Image.Image:
    """Fill flat, strong colours between bold outlines; shade with a dot screen."""
    chance, unit, size = canvas.chance, canvas.unit, canvas.picture.size
    source = smooth(ImageOps.autocontrast(canvas.picture, cutoff=1), 2)
    flat = flatten(colourful(source, 1.9), chance.randrange(8, 15))
    flat = flat.filter(ImageFilter.MedianFilter(3))
    sun = hue(canvas.hue, 0.55, 1)
    flat = Image.blend(flat, ImageChops.overlay(flat, Image.new("RGB", size, sun)), 0.35)
    grey = source.convert("L")
    shade = grey.point([min(255, 96 + round(v * 1.35)) for v in range(256)])
    screen = dots(shade, 6.5 * unit, chance.uniform(15, 75))
    shadow = hue(canvas.hue + 180, 0.75, 0.45)
    flat = ImageChops.multiply(flat, gradient(screen, [shadow, (255, 255, 255)]))
    outline = lines(source, 1.3 * unit, 1.5)
    return ImageChops.multiply(flat, outline.convert("RGB"))


def pop(canvas: Canvas) -> Image.Image:
    """Print a poster in three loud inks through a coarse screen, slightly out of register."""
    chance, unit, size = canvas.chance, canvas.unit, canvas.picture.size
    grey = ImageOps.autocontrast(smooth(canvas.picture, 1).convert("L"), cutoff=2)
    first = canvas.hue + chance.uniform(-25, 25)
    paper, mid, dark = (
        hue(first, 0.28, 1),
        hue(first + 150, 0.72, 0.95),
        hue(first + 215, 0.85, 0.30),
    )
    light = dots(
        grey.point([min(255, round(v * 1.25)) for v in range(256)]),
        9 * unit,
        chance.uniform(10, 80),
    )
    sheet = gradient(light, [mid, paper])
    body = grey.point([255 if v > 96 else 0 for v in range(256)])
    body = body.filter(ImageFilter.GaussianBlur(1.1 * unit)).point(
        [min(255, max(0, (v - 96) * 4)) for v in range(256)]
    )
    shift = round(2.5 * unit)
    body = body.transform(
        size,
        Image.Transform.AFFINE,
        (1, 0, chance.choice((-shift, shift)), 0, 1, chance.choice((-shift, shift))),
        fillcolor=255,
    )
    body = ImageChops.multiply(body, lines(canvas.picture, 1.1 * unit, 1.0))
    sheet = Image.composite(sheet, Image.new("RGB", size, dark), body)
    return texture(sheet, noise(size, chance, 2.2), 0.18)


def woodcut(canvas: Canvas) -> Image.Image:
    """Print from few blocks: four flat inks, carved outlines, the grain of the wood."""
    chance, unit, size = canvas.chance, canvas.unit, canvas.picture.size
    source = smooth(canvas.picture, 3)
    grey = ImageOps.equalize(source.convert("L"))
    grey = Image.blend(grey, ImageOps.autocontrast(source.convert("L")), 0.5)
    wood = noise((size[0], max(2, size[1] // 12)), chance, 2.0).resize(
        size, Image.Resampling.BICUBIC
    )
    if chance.random() < 0.5:
        wood = noise((max(2, size[0] // 12), size[1]), chance, 2.0).resize(
            size, Image.Resampling.BICUBIC
        )
    grained = ImageChops.add(grey, wood.point([v // 5 for v in range(256)]), scale=1, offset=-25)
    blocks = 4
    cut = grained.filter(ImageFilter.MedianFilter(3)).point(
        [min(blocks - 1, v * blocks // 256) * 255 // (blocks - 1) for v in range(256)]
    )
    first = canvas.hue
    inks = [
        hue(215 + first % 30, 0.70, 0.20),
        hue(first, 0.62, 0.58),
        hue(first + chance.choice((35, 160)), 0.45, 0.86),
        (243, 234, 212),
    ]
    printed = gradient(cut, inks)
    printed = ImageChops.multiply(printed, lines(source, 1.6 * unit, 1.6).convert("RGB"))
    return texture(printed, noise(size, chance, 1.8), 0.22)


def pixel(canvas: Canvas) -> Image.Image:
    """Set large pixels from a small palette, dithered, as on an old console."""
    chance, size = canvas.chance, canvas.picture.size
    across = chance.choice((88, 104, 120))
    scale = across / max(size)
    small = canvas.picture.resize(
        (max(1, round(size[0] * scale)), max(1, round(size[1] * scale))), Image.Resampling.LANCZOS
    )
    small = colourful(ImageOps.autocontrast(small, cutoff=1), 1.7)
    tint = hue(canvas.hue, 0.5, 0.9)
    small = Image.blend(small, ImageChops.overlay(small, Image.new("RGB", small.size, tint)), 0.3)
    colours = small.quantize(chance.choice((12, 16, 20)), Image.Quantize.MEDIANCUT)
    small = small.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG).convert("RGB")
    return small.resize(size, Image.Resampling.NEAREST)


def cyberpunk(canvas: Canvas) -> Image.Image:
    """Light the outlines as neon tubes over a dark duotone, with the colours torn apart."""
    chance, unit, size = canvas.chance, canvas.unit, canvas.picture.size
    source = smooth(canvas.picture, 1)
    grey = ImageOps.autocontrast(source.convert("L"), cutoff=1)
    warm = 300 + canvas.hue % 50 + chance.uniform(-12, 12)
    cold = 175 + canvas.hue % 35
    toned = gradient(
        grey,
        [hue(250, 0.9, 0.06), hue(265, 0.85, 0.32), hue(warm, 0.78, 0.78), hue(cold, 0.35, 1)],
    )
    toned = Image.blend(toned, colourful(source, 1.5), 0.16)
    tubes = ImageOps.invert(lines(source, 1.1 * unit, 1.1))
    slope = Image.linear_gradient("L").resize(size).rotate(chance.choice((0, 90, 180)))
    slope = slope.resize(size)
    paint = gradient(slope, [hue(warm, 0.85, 1), hue(cold, 0.9, 1)])
    neon = Image.composite(paint, Image.new("RGB", size), tubes)
    glow = neon.filter(ImageFilter.GaussianBlur(5 * unit)).point(
        [min(255, v * 2) for v in range(256)] * 3
    )
    lit = ImageChops.screen(ImageChops.screen(toned, glow), neon)
    shift = max(1, round(2.4 * unit))
    red, green, blue = lit.split()
    lit = Image.merge(
        "RGB", (ImageChops.offset(red, shift, 0), green, ImageChops.offset(blue, -shift, 0))
    )
    pitch = max(2, round(3 * unit))
    scan = Image.new("L", (1, pitch), 255)
    scan.putpixel((0, 0), 200)
    rows = Image.new("L", (1, size[1]))
    for top in range(0, size[1], pitch):
        rows.paste(scan, (0, top))
    lit = ImageChops.multiply(lit, rows.resize(size, Image.Resampling.NEAREST).convert("RGB"))
    return vignette(lit, hue(255, 0.9, 0.06), 0.7)
