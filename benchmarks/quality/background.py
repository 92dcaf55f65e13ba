"""The white background of transparent pictures in formats without transparency."""

from PIL import Image


def on_white(picture: Image.Image) -> Image.Image:
    """Return the picture without transparency."""
    if picture.mode != "RGBA":
        return picture
    canvas = Image.new("RGB", picture.size, "white")
    canvas.paste(picture, mask=picture.getchannel("A"))
    return canvas
