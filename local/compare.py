"""Place a picture and its repainted version side by side."""

from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_GAP, _BAR, _TEXT_SIZE = 12, 34, 18
_PAPER, _INK = "#f6f3ee", "#2b2a28"


def side_by_side(before: bytes, after: bytes, path: Path) -> None:
    """Write a PNG with both pictures, the second at the first one's height."""
    left = Image.open(BytesIO(before)).convert("RGB")
    right = Image.open(BytesIO(after)).convert("RGB")
    right = right.resize((round(right.width * left.height / right.height), left.height))
    width = left.width + right.width + 3 * _GAP
    sheet = Image.new("RGB", (width, left.height + _GAP + _BAR), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=_TEXT_SIZE)
    x = _GAP
    for name, picture in (("before", left), ("after", right)):
        draw.text((x, _BAR / 2), name, _INK, font=font, anchor="lm")
        sheet.paste(picture, (x, _BAR))
        x += picture.width + _GAP
    sheet.save(path)
