"""The refusals of a file, and the one place that handles decoders' errors."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from PIL import Image

from processing.errors import Refusal


class UnsupportedFormat(Refusal):
    """The bytes are no picture of an accepted format."""

    code = "unsupported_format"
    title = "This file type is not supported"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnreadableImage(Refusal):
    """The picture is damaged."""

    code = "unreadable_image"
    title = "The image cannot be read"
    status = HTTPStatus.BAD_REQUEST


class TooManyPixels(Refusal):
    """The picture exceeds the pixel limit."""

    code = "too_many_pixels"
    title = "The image has too many pixels"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class TooMuchMetadata(Refusal):
    """The file holds too much data beside its pixels."""

    code = "too_much_metadata"
    title = "The file contains too much metadata"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


@contextmanager
def decoder_errors(name: str) -> Iterator[None]:
    """Turn any error of a decoder into a refusal."""
    with warnings.catch_warnings():
        # A decoder's warnings concern the sender's file, not our code.
        warnings.simplefilter("ignore")
        try:
            yield
        except Refusal:
            raise
        except MemoryError as error:
            raise TooManyPixels(
                "{name} needs too much memory. Upload a smaller version.", name=name
            ) from error
        except Image.DecompressionBombError as error:
            raise TooManyPixels(
                "{name} has far too many pixels. Upload a smaller version.", name=name
            ) from error
        except Exception as error:
            raise UnreadableImage(
                "{name} is damaged or incomplete. Open it in an editor, save a new copy and upload that.",
                name=name,
            ) from error
