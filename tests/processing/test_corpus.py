"""Real pictures: every file of the corpus ends as its manifest says."""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageFile, ImageOps

from processing.images.header import read_header
from processing.images.source import decode
from processing.presets import Preset, Recipe
from tests.processing.limited import outcome
from tests.processing.pictures import (
    LIMITS,
    SMALL,
    THUMB,
    corpus_files,
    distance,
    mean_color,
    opened,
    refuse_to_decode,
    render,
    rendered,
)
from tests.processing.processes import ROOT

REFUSED = {"unsupported_format", "unreadable_image", "too_many_pixels"}
FOLDERS = [
    "photos",
    "orientation",
    "colour",
    "alpha",
    "animation",
    "metadata",
    "heic",
    "pngsuite",
    "collisions",
]
# What no rendition may hold: metadata of JPEG, PNG and WebP, and what is typical of their contents.
MARKS = [b"Exif", b"EXIF", b"eXIf", b"ICC_PROFILE", b"ICCP", b"iCCP", b"http://ns.adobe", b"<x:xmpmeta"]
MARKS += [b"XMP ", b"tEXt", b"iTXt", b"zTXt", b"Photoshop", b"GPSLatitude"]
WIDE_COLOR = [
    "p3.png",
    "prophoto.png",
    "Channel_digital_image_CMYK_color.jpg",
    "paris_exif_xmp_icc.jpg",
    "paris_icc_exif_xmp.avif",
    "avif_icc_profile.avif",
    "icc_profile.png",
]


def image_at(path: Path) -> Image.Image:
    """Return the picture in a file, not yet decoded."""
    return Image.open(BytesIO(path.read_bytes()))


@pytest.mark.parametrize("folder", FOLDERS)
def test_headers_are_read_without_a_pixel(folder: str, corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse_to_decode)
    for path in corpus_files(corpus, folder=folder, expect="accept"):
        with path.open("rb") as file:
            header = read_header(file, name=path.name, limits=LIMITS)
        assert header.width > 0, path.name


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_is_to_be_accepted_is_rendered_and_holds_nothing_but_pixels(folder: str, corpus: Path) -> None:
    for path in corpus_files(corpus, folder=folder, expect="accept"):
        data = path.read_bytes()
        header = read_header(BytesIO(data), name=path.name, limits=LIMITS)
        source = decode(data, presets=[THUMB], limits=LIMITS)
        assert source.transparent <= header.has_alpha, path.name
        if path.suffix != ".png":  # A PNG can tell its orientation after its pixels.
            assert source.size == (header.width, header.height), path.name
        for format in THUMB.formats_for(transparent=source.transparent):
            output = source.render(Recipe(THUMB, format))
            assert opened(output.data).size == (output.width, output.height) == (256, 256), path.name
            assert [mark for mark in MARKS if mark in output.data] == [], path.name
            assert not opened(output.data).getexif(), path.name


def test_what_is_to_be_rejected_is_refused(corpus: Path) -> None:
    for path in corpus_files(corpus, expect="reject"):
        if path.parent.name == "hostile":
            continue  # These are decoded under limits, below.
        assert outcome(path.read_bytes()) in REFUSED, path.name


# --- Hostile files ------------------------------------------------------------------------


def outcomes(files: list[Path]) -> dict[str, str]:
    """Return how each file ends, decoded in a process with limits; a crash counts for its file only."""
    ended: dict[str, str] = {}
    while len(ended) < len(files):
        rest = files[len(ended) :]
        process = subprocess.run(
            [sys.executable, "-m", "tests.processing.limited", *map(str, rest)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        reports = [json.loads(line) for line in process.stdout.splitlines()]
        ended |= {
            rest[number].name: how for number, how in (report for report in reports if len(report) == 2)
        }
        if len(reports) % 2 or not reports:
            # A decoder may have said why on the error output.
            ended[files[len(ended)].name] = (
                f"ended the process with {process.returncode}: {process.stderr[-300:]}"
            )
    return ended


def test_hostile_files_end_as_they_should_in_bounded_time_and_memory(corpus: Path) -> None:
    rejected = corpus_files(corpus, folder="hostile", expect="reject")
    bounded = corpus_files(corpus, folder="hostile", expect="bounded")
    ended = outcomes([*rejected, *bounded])
    assert len(ended) == len(rejected) + len(bounded)
    wrong = {path.name: ended[path.name] for path in rejected if ended[path.name] not in REFUSED}
    assert wrong == {}
    wrong = {
        path.name: ended[path.name] for path in bounded if ended[path.name] not in REFUSED | {"rendered"}
    }
    assert wrong == {}


# --- Orientation --------------------------------------------------------------------------


def paths(corpus: Path, pattern: str) -> list[Path]:
    found = sorted(corpus.glob(pattern))
    assert found, f"The corpus has no {pattern}."
    return found


@pytest.mark.parametrize("preset", [SMALL, THUMB], ids=lambda preset: preset.name)
@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_every_orientation_looks_like_the_upright_one(shape: str, preset: Preset, corpus: Path) -> None:
    upright = rendered((corpus / "orientation" / f"{shape}_1.jpg").read_bytes(), preset)
    assert (upright.width > upright.height) is (shape == "Landscape" and preset is SMALL)
    for flip in (
        Image.Transpose.FLIP_LEFT_RIGHT,
        Image.Transpose.FLIP_TOP_BOTTOM,
        Image.Transpose.ROTATE_180,
    ):
        assert distance(upright, upright.transpose(flip)) > 20
    files = paths(corpus, f"orientation/{shape}_*.jpg")
    assert len(files) == 9
    for path in files:
        assert distance(rendered(path.read_bytes(), preset), upright) < 3, path.name


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_every_orientation_of_a_small_picture(suffix: str, corpus: Path) -> None:
    upright = rendered((corpus / "orientation" / "hopper_orientation_2.jpg").read_bytes())
    files = paths(corpus, f"orientation/hopper_orientation_*.{suffix}")
    assert len(files) == 7
    for path in files:
        assert distance(rendered(path.read_bytes()), upright) < 10, path.name
    assert distance(upright, upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 40


def test_rotations_and_mirrors_of_avif_are_applied(corpus: Path) -> None:
    # The picture says how it is stored: a strip of its middle is left out of the comparison.
    files = paths(corpus, "orientation/avif_rot*mir*.avif")
    pictures = [rendered(path.read_bytes()).crop((0, 0, 320, 50)) for path in files]
    assert len(files) == 8
    for path, picture in zip(files, pictures, strict=True):
        assert distance(picture, pictures[0]) < 3, path.name
    assert distance(pictures[0], pictures[0].transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 6


def test_an_orientation_behind_the_pixels_of_a_png_is_applied(corpus: Path) -> None:
    path = corpus / "orientation" / "exif_imagemagick_orientation.png"
    stored = opened(path.read_bytes()).resize((320, 320), Image.Resampling.LANCZOS)
    upright = rendered(path.read_bytes())
    # Its gamma and primaries are not quite sRGB's.
    assert distance(upright, stored.transpose(Image.Transpose.ROTATE_180)) < 4
    assert distance(upright, stored) > 10


# --- Colour -------------------------------------------------------------------------------


def converted(data: bytes) -> Image.Image:
    """Return the whole picture in sRGB, by LittleCMS on its full size."""
    image = Image.open(BytesIO(data))
    image.load()
    profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
    flat = image if image.mode in {"RGB", "L", "CMYK"} else image.convert("RGB")
    result = ImageCms.profileToProfile(flat, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert result is not None
    return result


@pytest.mark.parametrize("name", WIDE_COLOR)
def test_colours_are_those_of_a_colour_managed_viewer(name: str, corpus: Path) -> None:
    data = (corpus / "colour" / name).read_bytes()
    expected = ImageOps.exif_transpose(converted(data))
    assert mean_color(rendered(data)) == pytest.approx(mean_color(expected), abs=1.5)


def test_display_p3_is_converted(corpus: Path) -> None:
    data = (corpus / "colour" / "p3.png").read_bytes()
    unconverted = mean_color(opened(data))
    assert mean_color(rendered(data)) == pytest.approx(mean_color(converted(data)), abs=1.5)
    assert max(abs(a - b) for a, b in zip(mean_color(rendered(data)), unconverted, strict=True)) > 5


def test_sixteen_bits_look_like_eight(corpus: Path) -> None:
    deep, flat = (
        rendered((corpus / "colour" / f"Flag_of_the_Netherlands{depth}.png").read_bytes())
        for depth in ("-16bit", "")
    )
    assert distance(deep, flat) < 3


def test_sixteen_bit_grey_is_not_clipped(corpus: Path) -> None:
    deep = rendered((corpus / "pngsuite" / "basn0g16.png").read_bytes())
    flat = rendered((corpus / "pngsuite" / "basn0g08.png").read_bytes())
    for picture in (deep, flat):
        grey = picture.convert("L").tobytes()
        assert min(grey) < 10
        assert max(grey) > 220


# --- Transparency -------------------------------------------------------------------------


def test_transparency_is_kept_in_webp_and_png(corpus: Path) -> None:
    kept = 0
    for path in corpus_files(corpus, folder="alpha", expect="accept"):
        source = decode(path.read_bytes(), presets=[SMALL], limits=LIMITS)
        original = image_at(path).convert("RGBA").getchannel("A").getextrema()
        assert source.transparent is (original[0] != 255), path.name
        if source.transparent:
            kept += 1
            for format in SMALL.formats_for(transparent=True):
                alpha = opened(source.render(Recipe(SMALL, format)).data).convert("RGBA").getchannel("A")
                assert min(alpha.tobytes()) < 255, (path.name, format)
    assert kept > 5


@pytest.mark.parametrize("name", ["frozenpond.mpo", "sugarshack.mpo"])
def test_the_first_picture_of_an_mpo_is_shown(name: str, corpus: Path) -> None:
    data = (corpus / "metadata" / name).read_bytes()
    first = Image.open(BytesIO(data))
    assert first.n_frames > 1  # type: ignore[attr-defined]
    assert read_header(BytesIO(data), name=name, limits=LIMITS).format == "jpeg"
    expected = ImageOps.exif_transpose(first).resize(
        (SMALL.output_size(first.size)), Image.Resampling.LANCZOS
    )
    output = render(data, SMALL, "webp")
    assert output.frames == 1
    assert distance(rendered(data), expected) < 4


def test_a_photograph_comes_out_in_every_size(corpus: Path) -> None:
    data = (corpus / "photos" / "Canon_EOS-1D_Mark_III__via_Adobe_Lightroom_.jpg").read_bytes()
    presets = [Preset(name=str(width), width=width, effort=1) for width in (1280, 640, 320)]
    source = decode(data, presets=presets, limits=LIMITS)
    whole = opened(data)
    for preset in presets:
        expected = whole.resize(preset.output_size(whole.size), Image.Resampling.LANCZOS)
        assert distance(opened(source.render(Recipe(preset, "png")).data), expected) < 2, preset.name
