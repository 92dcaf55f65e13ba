"""A screenshot as input: a window with text, lines, icons, a shadow and a photo, drawn by code."""

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from benchmarks.inputs.photos import Size
from benchmarks.places import CORPUS

PHOTO = "photos/Kodak_PIXPRO_AZ521.jpg"
# Word lengths and places are random, but the same in each run.
SEED = 1
LETTERS = "etaoinshrdlucmfwypvbgk"

_INK, _QUIET, _LINE, _PAPER, _DESK = "#1f2328", "#656d76", "#d0d7de", "#ffffff", "#3a5a78"
_COLORS = ("#0969da", "#1a7f37", "#cf222e", "#9a6700", "#8250df")
_TITLE_BAR, _SIDE_BAR, _LINE_HEIGHT = 56, 420, 34


def screenshot(path: Path, *, size: Size) -> None:
    """Write a PNG of a desktop with one window."""
    generator = random.Random(SEED)
    desktop = Image.new("RGB", size, _DESK)
    desktop.paste(Image.radial_gradient("L").resize(size).convert("RGB").point(lambda level: level // 3))
    window = _window((size[0] * 7 // 8, size[1] * 7 // 8), generator)
    place = (size[0] - window.width) // 2, (size[1] - window.height) // 2
    shadow = Image.new("L", size, 0)
    shadow.paste(160, (place[0], place[1] + 16, place[0] + window.width, place[1] + window.height + 16))
    desktop.paste("#000000", mask=shadow.filter(ImageFilter.GaussianBlur(24)))
    desktop.paste(window, place)
    desktop.save(path, compress_level=6)


def _window(size: Size, generator: random.Random) -> Image.Image:
    window = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(window)
    draw.rectangle((0, 0, size[0], _TITLE_BAR), fill="#f6f8fa")
    for index, color in enumerate(("#ff5f57", "#febc2e", "#28c840")):
        draw.ellipse((20 + 34 * index, 18, 40 + 34 * index, 38), fill=color)
    draw.text((size[0] // 2 - 120, 14), _sentence(generator, 3), _INK, ImageFont.load_default(24))
    _draw_side_bar(draw, size, generator)
    _draw_text(draw, size, generator)
    window.paste(_photo((560, 420)), (size[0] - 600, _TITLE_BAR + 60))
    return window


def _draw_side_bar(draw: ImageDraw.ImageDraw, size: Size, generator: random.Random) -> None:
    draw.line((_SIDE_BAR, _TITLE_BAR, _SIDE_BAR, size[1]), _LINE)
    font = ImageFont.load_default(20)
    for top in range(_TITLE_BAR + 20, size[1] - 40, 44):
        color = generator.choice(_COLORS)
        draw.rounded_rectangle((24, top, 48, top + 24), 6, fill=color)
        draw.text((64, top), _sentence(generator, 3), _QUIET, font)
        draw.line((24, top + 34, _SIDE_BAR - 24, top + 34), "#eaeef2")


def _draw_text(draw: ImageDraw.ImageDraw, size: Size, generator: random.Random) -> None:
    font = ImageFont.load_default(18)
    for number, top in enumerate(range(_TITLE_BAR + 24, size[1] - 40, _LINE_HEIGHT), start=1):
        draw.text((_SIDE_BAR + 20, top), str(number), _QUIET, font)
        left = float(_SIDE_BAR + 80 + 40 * generator.randrange(4))
        for _ in range(generator.randrange(1, 9)):
            word = _word(generator)
            draw.text((left, top), word, generator.choice((_INK, _INK, _INK, *_COLORS)), font)
            left += draw.textlength(word + " ", font)


def _photo(size: Size) -> Image.Image:
    with Image.open(CORPUS / PHOTO) as image:
        return image.convert("RGB").resize(size, Image.Resampling.LANCZOS)


def _sentence(generator: random.Random, words: int) -> str:
    return " ".join(_word(generator) for _ in range(words)).capitalize()


def _word(generator: random.Random) -> str:
    return "".join(generator.choices(LETTERS, k=generator.randrange(2, 11)))
