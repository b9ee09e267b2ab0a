"""A small picture, made here: no photograph of anybody."""

import io

from PIL import Image, ImageOps

SIDE = 64


def picture(number: int) -> bytes:
    """Return a PNG of 64 by 64 pixels, running from a colour of `number`'s own to white.

    Another number makes another content, and so an ETag of its own.
    """
    gradient = Image.linear_gradient("L").resize((SIDE, SIDE))
    colour = (number % 256, number // 256 % 256, number // 256**2 % 256)
    file = io.BytesIO()
    ImageOps.colorize(gradient, colour, "white").save(file, "PNG")
    return file.getvalue()
