"""Incremental WebP: decode the rows of a truncated picture, as browsers do.

Pillow decodes only whole files. libwebp's incremental decoder, which comes with Pillow, also tells how many
rows it has decoded (webp/decode.h, `WebPIDecoder`).
"""

from ctypes import CDLL, byref, c_char, c_char_p, c_int, c_size_t, c_void_p

from PIL import Image, _webp

from processing.presets import Size

# WEBP_CSP_MODE of webp/decode.h.
_RGB, _RGBA = 0, 1


def rows_of_webp(data: bytes, *, size: Size, alpha: bool) -> tuple[Image.Image, int]:
    """Return a still WebP as far as it goes, RGB or RGBA, and the number of its rows from the top.

    Raises `AttributeError` if Pillow was built without a shared libwebp, and `ValueError` for a file that the
    decoder does not accept.
    """
    # Its symbols are found through Pillow's module, which is linked to it.
    library = CDLL(_webp.__file__)
    library.WebPINewRGB.restype = library.WebPIDecGetRGB.restype = c_void_p
    library.WebPIDelete.restype = None
    bands = 4 if alpha else 3
    stride = size[0] * bands
    pixels = bytearray(stride * size[1])
    output = (c_char * len(pixels)).from_buffer(pixels)
    decoder = c_void_p(
        library.WebPINewRGB(_RGBA if alpha else _RGB, output, c_size_t(len(pixels)), c_int(stride))
    )
    if not decoder.value:
        raise ValueError("libwebp made no decoder.")
    try:
        library.WebPIUpdate(decoder, c_char_p(data), c_size_t(len(data)))
        rows = c_int(0)
        library.WebPIDecGetRGB(decoder, byref(rows), None, None, None)
    finally:
        library.WebPIDelete(decoder)
    mode = "RGBA" if alpha else "RGB"
    picture = Image.frombuffer(mode, size, pixels, "raw", mode, 0, 1)
    return picture, max(0, min(rows.value, size[1]))
