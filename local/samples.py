"""The sample photographs and their prompts."""

from pathlib import Path

SAMPLES = Path(__file__).resolve().parent.parent / "examples" / "images"
SAMPLE_PROMPTS = {
    "chelsea.png": "水彩画",
    "coffee.png": "油画",
    "rocket.jpg": "赛博朋克",
    "astronaut.png": "漫画风格",
}
