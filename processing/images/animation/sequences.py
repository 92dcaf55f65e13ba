"""Sequences: animated WebP and AVIF, whose frames Pillow decodes as whole pictures."""

from collections.abc import Iterator
from functools import partial
from io import BytesIO
from struct import unpack_from

from PIL import Image

from processing.images.animation.frames import Film, Timed
from processing.images.reading.base_media.mending import mended
from processing.images.reading.containers import boxes, webp_chunks
from processing.images.reading.limits import Limits, frames_within

# The bytes before the first chunk of a WebP, and of its frame (RFC 9649, 2.3 and 2.7.1.1).
_RIFF_BYTES, _FRAME_BYTES = 12, 16
# Pixels and alpha that are compressed without loss. Measured: their codes can make a byte take as long as so
# many pixels.
_LOSSLESS, _PIXELS_OF_BYTE = {b"VP8L", b"ALPH"}, 8
_REPEATS = 1
_CONTAINERS = {b"moov", b"trak", b"edts"}
_WITHOUT_END = {0: 0xFFFF_FFFF, 1: 0xFFFF_FFFF_FFFF_FFFF}


def read_sequence(data: bytes, *, image: Image.Image, limits: Limits) -> Film:
    """Return the frames of an animated WebP or AVIF that fit the budget; `image` is the opened file."""
    total = int(getattr(image, "n_frames", 1))
    count = min(total, frames_within(limits, canvas=image.size))
    if image.format == "WEBP":
        count = min(count, _webp_frames_within(data, limits))
    plays = _avif_plays(data) if image.format == "AVIF" else int(image.info["loop"])
    return Film(plays, count, total - count, partial(_frames, data, image.format or "", count))


def _frames(data: bytes, format: str, count: int) -> Iterator[Timed]:
    with Image.open(BytesIO(mended(data)), formats=(format,)) as image:
        shown = 0.0
        for index in range(count):
            image.seek(index)
            image.load()
            milliseconds = _without_drift(image, shown)
            yield (image.copy() if image.mode == "RGB" else image.convert("RGBA")), milliseconds
            shown += milliseconds


def _webp_frames_within(data: bytes, limits: Limits) -> int:
    """Return how many frames of a WebP fit the budget by their bytes; the first one always does."""
    frames = pixels = 0
    for name, frame in webp_chunks(data, _RIFF_BYTES):
        if name == b"ANMF":
            lossless = (len(part) for kind, part in webp_chunks(frame, _FRAME_BYTES) if kind in _LOSSLESS)
            pixels += _PIXELS_OF_BYTE * sum(lossless)
            if frames and pixels > limits.animation_pixels:
                break
            frames += 1
    return max(1, frames)


def _without_drift(image: Image.Image, shown: float) -> float:
    """Return a frame's duration, corrected because Pillow's rounded milliseconds drift when added up."""
    rounded: int = image.info["duration"]
    until_end = image.info["timestamp"] + rounded - shown
    return float(min(max(until_end, rounded - 0.5), rounded + 0.5))


def _avif_plays(data: bytes) -> int:
    """Return how often an AVIF sequence is played, 0 for ever.

    The track's edit list states whether its one edit is repeated, and the track's duration for how long
    (ISO/IEC 14496-12, 8.6.6; ISO/IEC 23008-12, 7.2.2). Without an edit list it is played for ever, as in
    Chromium.
    """
    found = dict(reversed(list(_track_boxes(memoryview(data)))))
    if b"elst" not in found or b"tkhd" not in found:
        return 0
    edits, track = found[b"elst"], found[b"tkhd"]
    if not edits[3] & _REPEATS:
        return 1
    (edit,) = unpack_from(">Q" if edits[0] else ">I", edits, 8)
    (whole,) = unpack_from(">Q" if track[0] else ">I", track, 28 if track[0] else 20)
    if whole == _WITHOUT_END[track[0]] or not edit:
        return 0
    return int(-(-whole // edit))


def _track_boxes(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the boxes of a file that concern its tracks, including nested ones."""
    for name, inside in boxes(content):
        yield name, inside
        if name in _CONTAINERS:
            yield from _track_boxes(inside)
