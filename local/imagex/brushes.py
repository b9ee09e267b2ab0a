"""The styles of `restyle` that imitate a brush or a pencil."""

import math

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from local.imagex.canvas import (
    Canvas,
    colourful,
    flatten,
    gradient,
    hue,
    lines,
    noise,
    smooth,
    strokes,
    texture,
    vignette,
    wobble,
)


def oil(canvas: Canvas) -> Image.Image:
    """Lay on strokes in three layers, coarse to fine, and let the light catch the paint."""
    chance, unit = canvas.chance, canvas.unit
    tint = hue(canvas.hue, 0.55, 0.55)
    source = colourful(ImageOps.autocontrast(canvas.picture, cutoff=1), 1.45)
    source = Image.blend(source, Image.new("RGB", source.size, tint), 0.10)
    painted = source.filter(ImageFilter.GaussianBlur(8 * unit))
    lean = chance.uniform(-math.pi / 2, math.pi / 2)
    area = source.width * source.height / unit**2
    for length, width, share in ((34, 9, 0.006), (20, 5, 0.015), (11, 3, 0.028)):
        strokes(
            source,
            painted,
            chance,
            length=length * unit,
            width=max(1, round(width * unit)),
            count=min(9000, round(area * share)),
            lean=lean,
        )
    relief = painted.convert("L").filter(ImageFilter.EMBOSS)
    return texture(painted, relief, 0.55)


def watercolor(canvas: Canvas) -> Image.Image:
    """Let light colours run into one another on rough paper, darker where a wash dried."""
    chance, unit, size = canvas.chance, canvas.unit, canvas.picture.size
    source = smooth(ImageOps.autocontrast(canvas.picture, cutoff=1), 2)
    source = wobble(source, chance, 3.0 * unit, max(8, round(14 * unit)))
    washes = flatten(source, 14)
    washes = washes.filter(ImageFilter.GaussianBlur(1.6 * unit))
    wet = Image.blend(source.filter(ImageFilter.GaussianBlur(2.5 * unit)), washes, 0.65)
    wet = colourful(wet, 1.6)
    pool = noise(size, chance, 60 * unit)
    wet = texture(wet, pool, 0.5)
    lifted = wet.point([round(58 + v * 0.80) if v < 245 else 254 for v in range(256)] * 3)
    rims = lines(washes, 1.6 * unit, 0.55).filter(ImageFilter.GaussianBlur(0.6 * unit))
    rims = rims.point([round(140 + v * 0.45) for v in range(256)])
    dried = ImageChops.multiply(
        lifted, gradient(rims, [hue(canvas.hue, 0.5, 0.35), (255, 255, 255)])
    )
    paper = texture(dried, noise(size, chance, 1.6 * unit), 0.16)
    return _deckle(paper, canvas)


def _deckle(painted: Image.Image, canvas: Canvas) -> Image.Image:
    """Leave an uneven margin of bare paper."""
    unit, size = canvas.unit, painted.size
    margin = min(round(16 * unit), min(size) // 4)
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rectangle((margin, margin, size[0] - margin, size[1] - margin), fill=255)
    mask = mask.filter(ImageFilter.GaussianBlur(9 * unit))
    rough = noise(size, canvas.chance, 9 * unit)
    mask = ImageChops.add(mask, rough, scale=1, offset=-128)
    mask = mask.point([max(0, min(255, (v - 80) * 6)) for v in range(256)])
    return Image.composite(painted, Image.new("RGB", size, (250, 247, 240)), mask)


def sketch(canvas: Canvas) -> Image.Image:
    """Draw with a pencil: outlines, two directions of hatching, a faint wash of colour."""
    chance, unit, size = canvas.chance, canvas.unit, canvas.picture.size
    grey = ImageOps.autocontrast(canvas.picture.convert("L"), cutoff=1)
    blurred = ImageOps.invert(grey).filter(ImageFilter.GaussianBlur(6 * unit))
    # Dividing by the inverse of the blurred negative leaves the contours alone.
    pencil = _dodge(grey, blurred)
    pencil = ImageChops.multiply(pencil, lines(canvas.picture, 0.9 * unit, 0.9))
    lean = chance.uniform(20, 70)
    for threshold, angle in ((150, lean), (85, lean + chance.uniform(60, 95))):
        dark = grey.filter(ImageFilter.GaussianBlur(1.5 * unit))
        dark = dark.point([max(0, min(255, (threshold - v) * 3)) for v in range(256)])
        hatch = _hatching(canvas, angle)
        pencil = ImageChops.multiply(
            pencil, Image.composite(hatch, Image.new("L", size, 255), dark)
        )
    pencil = texture(pencil.convert("RGB"), noise(size, chance, 1.4), 0.35).convert("L")
    lead = hue(canvas.hue, 0.45, 0.22)
    drawing = gradient(pencil, [lead, (252, 249, 242)])
    wash = colourful(canvas.picture.filter(ImageFilter.GaussianBlur(5 * unit)), 1.3)
    wash = Image.blend(wash, Image.new("RGB", size, "white"), 0.72)
    return ImageChops.multiply(drawing, wash)


def _dodge(base: Image.Image, light: Image.Image) -> Image.Image:
    """Lighten `base` by `light`: both of an even tone leave white."""
    return ImageChops.add(base, light).point([round(255 * (v / 255) ** 2.2) for v in range(256)])


def _hatching(canvas: Canvas, angle: float) -> Image.Image:
    chance, unit = canvas.chance, canvas.unit
    width, height = canvas.picture.size
    reach = int(math.hypot(width, height)) + 8
    sheet = Image.new("L", (reach, reach), 255)
    draw = ImageDraw.Draw(sheet)
    y = 0.0
    while y < reach:
        x = chance.uniform(-80, 0) * unit
        while x < reach:
            length = chance.uniform(30, 90) * unit
            draw.line(
                (x, y + chance.uniform(-1, 1) * unit, x + length, y + chance.uniform(-1, 1) * unit),
                fill=chance.randrange(90, 160),
                width=max(1, round(unit)),
            )
            x += length + chance.uniform(2, 9) * unit
        y += chance.uniform(2.6, 4.2) * unit
    sheet = sheet.rotate(angle, Image.Resampling.BILINEAR, fillcolor=255)
    left, top = (reach - width) // 2, (reach - height) // 2
    return sheet.crop((left, top, left + width, top + height))


def ink(canvas: Canvas) -> Image.Image:
    """Wash with ink on rice paper: few tones, soft bleeding edges, one red seal."""
    chance, unit, size = canvas.chance, canvas.unit, canvas.picture.size
    grey = ImageOps.autocontrast(smooth(canvas.picture, 2).convert("L"), cutoff=2)
    grey = wobble(grey, chance, 2.5 * unit, max(8, round(12 * unit)))
    levels = 5
    steps = grey.point([round(v / 255 * (levels - 1)) * 255 // (levels - 1) for v in range(256)])
    wash = Image.blend(steps, grey, 0.45).filter(ImageFilter.GaussianBlur(1.4 * unit))
    bleed = steps.filter(ImageFilter.MinFilter(5)).filter(ImageFilter.GaussianBlur(5 * unit))
    wash = Image.blend(wash, bleed, 0.30).point(
        [round(48 + v * 0.86) if v < 240 else 255 for v in range(256)]
    )
    brush = lines(canvas.picture, 1.5 * unit, 0.8).filter(ImageFilter.GaussianBlur(0.5 * unit))
    tones = ImageChops.multiply(wash, brush)
    tones = texture(tones.convert("RGB"), noise(size, chance, 30 * unit), 0.45).convert("L")
    cast = hue(200 + canvas.hue % 60, 0.35, 0.15)
    paper = (244, 238, 222)
    painted = vignette(gradient(tones, [cast, (112, 116, 118), paper]), paper, 0.85)
    _seal(painted, canvas)
    return texture(painted, noise(size, chance, 2.0), 0.14)


def _seal(painted: Image.Image, canvas: Canvas) -> None:
    """Stamp a small red square, with a pattern of its own, into one of the upper corners."""
    chance, unit = canvas.chance, canvas.unit
    cell = max(2, round(4 * unit))
    side, inset = cell * 7, round(22 * unit)
    left = chance.choice((inset, painted.width - inset - side))
    draw = ImageDraw.Draw(painted)
    draw.rounded_rectangle((left, inset, left + side, inset + side), cell, fill=(176, 38, 30))
    for row in range(5):
        for column in range(5):
            if chance.random() < 0.5:
                x, y = left + (column + 1) * cell, inset + (row + 1) * cell
                draw.rectangle((x, y, x + cell, y + cell // 2), fill=(246, 232, 214))


def night(canvas: Canvas) -> Image.Image:
    """Turn day into night: deep colour, glowing lights, stars where it was even and bright."""
    chance, unit, size = canvas.chance, canvas.unit, canvas.picture.size
    source = smooth(ImageOps.autocontrast(canvas.picture, cutoff=1), 1)
    sky = 205 + canvas.hue % 60
    grey = source.convert("L").point([round(255 * (v / 255) ** 1.7) for v in range(256)])
    dark = gradient(
        grey, [hue(sky, 0.9, 0.07), hue(sky + 6, 0.78, 0.38), hue(sky - 12, 0.42, 0.82)]
    )
    dark = Image.blend(dark, ImageEnhance.Brightness(source).enhance(0.55), 0.38)
    lights = source.point([max(0, v - 165) * 2 for v in range(256)] * 3)
    warm = ImageChops.multiply(
        lights, Image.new("RGB", size, hue(25 + chance.uniform(0, 25), 0.5, 1))
    )
    glow = warm.filter(ImageFilter.GaussianBlur(9 * unit))
    lit = ImageChops.screen(dark, ImageChops.add(glow, ImageEnhance.Brightness(warm).enhance(0.35)))
    even = lines(canvas.picture, 1.5 * unit, 1.0).filter(ImageFilter.MinFilter(7))
    stars = Image.new("L", size, 0)
    draw = ImageDraw.Draw(stars)
    calm = even.tobytes()
    for _ in range(round(190 * size[0] * size[1] / (640 * 427) / unit**2)):
        x = chance.randrange(size[0])
        y = int(size[1] * 0.6 * chance.random() ** 1.5)
        radius = unit * chance.choice((0.5, 0.5, 0.7, 1.0, 1.4))
        if calm[y * size[0] + x] > 235:
            draw.ellipse(
                (x - radius, y - radius, x + radius, y + radius), fill=chance.randrange(120, 256)
            )
    halo = stars.filter(ImageFilter.GaussianBlur(2 * unit)).point(
        [min(255, v * 2) for v in range(256)]
    )
    lit = ImageChops.screen(
        lit, gradient(ImageChops.add(stars, halo), [(0, 0, 0), (214, 226, 255)])
    )
    return vignette(lit, hue(sky, 0.9, 0.05), 0.8)
