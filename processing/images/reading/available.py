"""Available pixels: load as much of a truncated picture as is there, if it is enough (docs/adr/0019).

The rows that a decoder writes are counted. Before it begins, each row is filled with a pattern of random
values: those that still have it at the end were not written. So no colour of the picture is taken for a
missing one, and a file can only make its own share smaller.
"""

from collections.abc import Sequence
from contextlib import suppress
from random import Random

from PIL import Image, ImageFile, JpegImagePlugin

from processing.images.geometry.reduction import loaded
from processing.images.reading.incremental_webp import rows_of_webp
from processing.images.reading.jpeg import has_several_scans, has_whole_first_scans
from processing.images.reading.refusals import UnreadableImage

# The share of its pixels from which on a picture is shown.
LEAST_SHARE = 0.5
# The colour of missing pixels, which libjpeg uses, too. In pictures with alpha they are transparent.
_GREY = 128
_END_OF_JPEG = b"\xff\xd9"
_BLOCK = 8
# The first row and the distance of each pass: GIF89a, appendix E; the last two passes of PNG (8.1) write the
# columns with odd numbers.
_GIF_PASSES = ((0, 8), (4, 8), (2, 4), (1, 2))
_PNG_PASSES = ((0, 2), (1, 2))


def load_available(image: Image.Image, data: bytes = b"") -> Image.Image:
    """Return the picture of a truncated file after decoding it, with its missing pixels filled.

    `data` is the file of a JPEG or WebP as it was sent. Raises `UnreadableImage` if too few pixels are there.
    If the decoder of a format accepts only whole files, its error is raised.
    """
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return _load_jpeg(image, data)
    if isinstance(image, ImageFile.ImageFile) and image.format in {"PNG", "GIF"}:
        return _load_rows(image)
    if image.format == "WEBP":
        return _load_webp(image, data)
    return loaded(image)


# --- PNG and GIF --------------------------------------------------------------------------


def _load_rows(image: ImageFile.ImageFile) -> Image.Image:
    if image.tile[0].extents != (0, 0, *image.size):
        # The first frame of an APNG must fill the canvas.
        return loaded(image)
    order, interlaced = _order(image)
    # Only the last two passes of a PNG write columns with odd numbers; its other rows need no count.
    odd = image.format == "PNG" and interlaced and image.width > 1
    mark = _marked(image)
    # Any error of the decoder is the end of what is there.
    with suppress(OSError, SyntaxError):
        return loaded(image)
    image.tile = []
    written = _rows_written(image, mark, order, odd_columns=odd)
    _check_share(written / image.height)
    return _with_rows_above(image, order[written:]) if interlaced else _filled(image, written)


def _order(image: ImageFile.ImageFile) -> tuple[Sequence[int], bool]:
    """Return the rows in the order in which they are decoded, and whether the picture is interlaced."""
    (tile,) = image.tile
    if image.format == "PNG":
        interlaced = bool(image.info.get("interlace"))
    else:
        interlaced = isinstance(tile.args, tuple) and bool(tile.args[1])
    if not interlaced:
        return range(image.height), False
    # A picture of one column has no odd columns, and the same order as a GIF.
    passes = _PNG_PASSES if image.format == "PNG" and image.width > 1 else _GIF_PASSES
    return [row for start, step in passes for row in range(start, image.height, step)], True


def _with_rows_above(image: Image.Image, missing: Sequence[int]) -> Image.Image:
    """Repeat the rows above the missing ones, as browsers do.

    Half of an interlaced picture has every other row, so only single rows are missing.
    """
    for row in missing:
        image.paste(image.crop((0, row - 1, image.width, row)), (0, row))
    return image


def _filled(image: Image.Image, rows: int) -> Image.Image:
    """Return the picture with its missing pixels below those rows filled."""
    if image.mode in {"1", "P"}:
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    bands = len(image.getbands())
    alpha = image.mode in {"LA", "RGBA"}
    color = (0,) * bands if alpha else (_GREY,) * bands
    if image.mode.startswith("I;16"):
        color = (_GREY << 8 | _GREY,)
    image.paste(color if bands > 1 else color[0], (0, rows, image.width, image.height))
    return image


# --- JPEG ---------------------------------------------------------------------------------


def _load_jpeg(image: JpegImagePlugin.JpegImageFile, data: bytes) -> Image.Image:
    """Load a JPEG, adding its end when the file has none; libjpeg then fills the missing blocks with grey.

    If the pixels are in several scans, all are there after the first scan of each component.
    """
    several = has_several_scans(data)
    if several:
        _check_share(float(has_whole_first_scans(data)))
    mark, read = _marked(image), image.load_read
    ended = False

    def read_to_end(read_bytes: int) -> bytes:
        nonlocal ended
        piece = read(read_bytes)
        if piece or ended:
            return piece
        ended = True
        if not several:
            _check_share(_share_of_blocks(image, _rows_written(image, mark, range(image.height))))
        return _END_OF_JPEG

    image.load_read = read_to_end  # type: ignore[method-assign]
    return loaded(image)


def _share_of_blocks(image: JpegImagePlugin.JpegImageFile, rows: int) -> float:
    """Return the share of the rows of blocks. One more is partly decoded, and counts half."""
    scale = image.decoderconfig[0] if image.decoderconfig else 1
    tall = max(layer[2] for layer in image.layer) if len(image.layer) > 1 else 1
    height = max(1, _BLOCK * tall // scale)
    return (-(-rows // height) + 0.5) / -(-image.height // height)


# --- WebP ---------------------------------------------------------------------------------


def _load_webp(image: Image.Image, data: bytes) -> Image.Image:
    with suppress(OSError):
        return loaded(image)
    picture, rows = rows_of_webp(data, size=image.size, alpha=image.mode == "RGBA")
    _check_share(rows / picture.height)
    return _filled(picture, rows)


# --- Rows ---------------------------------------------------------------------------------


def _marked(image: ImageFile.ImageFile) -> Image.Image:
    """Have the picture filled with a pattern before it is decoded, and return one row of the pattern."""
    blank = Image.new(image.mode, (image.width, 1))
    row = Image.frombytes(image.mode, blank.size, _random_bytes(len(blank.tobytes())))
    prepare = image.load_prepare

    def prepare_marked() -> None:
        prepare()
        for top in range(image.height):
            image.im.paste(row.im, (0, top, image.width, top + 1))

    image.load_prepare = prepare_marked  # type: ignore[method-assign]
    return row


def _random_bytes(count: int) -> bytes:
    # The seed makes the result the same each time. Nothing here is secret.
    return Random(0).randbytes(count)  # noqa: S311


def _rows_written(
    image: Image.Image, mark: Image.Image, order: Sequence[int], *, odd_columns: bool = False
) -> int:
    """Return how many rows of `order` have been decoded: up to the last one that has lost the mark."""
    wanted = _odd_columns(mark).tobytes() if odd_columns else mark.tobytes()
    for written in range(len(order), 0, -1):
        top = order[written - 1]
        # Pillow has no public way to look at a picture while it is decoded.
        row = Image.Image()._new(image.im.crop((0, top, image.width, top + 1)))  # noqa: SLF001
        if (_odd_columns(row) if odd_columns else row).tobytes() != wanted:
            return written
    return 0


def _odd_columns(row: Image.Image) -> Image.Image:
    """Return every other pixel of a row, beginning with the second."""
    width = row.width // 2
    return row.transform((width, 1), Image.Transform.EXTENT, (0, 0, 2 * width, 1), Image.Resampling.NEAREST)


def _check_share(share: float) -> None:
    if share < LEAST_SHARE:
        raise UnreadableImage(
            "{name} is incomplete: less than half of the picture is there. Upload the whole file.",
            name="The file",
        )
