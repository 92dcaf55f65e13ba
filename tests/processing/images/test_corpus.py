"""Real pictures: every file of the corpus has the outcome in its manifest."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageFile, ImageOps

from processing.images.reading.header import read_header
from processing.images.reading.truncation import is_truncated
from processing.images.source import decode
from processing.presets import Preset, Recipe
from tests.processing.limited import REFUSED, Ended, ends
from tests.processing.pictures import (
    LIMITS,
    SMALL,
    THUMB,
    TRUNCATED,
    corpus_files,
    distance,
    expectations,
    mean_color,
    opened,
    refuse_to_decode,
    render,
    rendered,
)

pytestmark = pytest.mark.slow

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
    "edges",
]
PARTS = 6
ENDS = {"accept": {"rendered"}, "reject": REFUSED, "bounded": REFUSED | {"rendered"}}
# Whole files that no decoder here reads: they are called by their kind, not damaged.
UNSUPPORTED = {"gradient_ls.jpg", "simple_osm_tile_meta.avif"}
# MiB for one file. A HEIC of 200 megapixels took 1343.
MOST_MEMORY = 1600
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
def test_headers_are_read_without_decoding(
    folder: str, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse_to_decode)
    for path in corpus_files(corpus, folder=folder, expect="accept"):
        with path.open("rb") as file:
            header = read_header(file, name=path.name, limits=LIMITS)
        assert header.width > 0, path.name


# --- Every file ---------------------------------------------------------------------------


def entries(corpus: Path, part: int) -> list[tuple[Path, str]]:
    """Return a part of the files, each with its expected outcome.

    The manifest is older than the rule for truncated files (docs/adr/0019), and rejects some that are shown.
    """
    files = [
        (path, "bounded" if is_shown_by_the_rule(path, expect) else expect)
        for path, expect in expectations(corpus).items()
    ]
    return [(path, expect) for path, expect in files if expect != "licence"][part::PARTS]


def is_shown_by_the_rule(path: Path, expect: str) -> bool:
    return expect == "reject" and path.name in TRUNCATED and is_truncated(path.read_bytes())


@pytest.mark.parametrize("part", range(PARTS))
def test_every_file_has_the_outcome_of_its_manifest(part: int, corpus: Path) -> None:
    """The process has the memory limit of a worker. A crash or a hang is a wrong outcome."""
    expected = entries(corpus, part)
    ended = ends([path for path, _ in expected])
    assert len(ended) == len(expected)
    judged = [(path.name, ended[path], expect) for path, expect in expected]
    assert [row for row in judged if not is_right(*row)] == []


def is_right(name: str, end: Ended, expect: str) -> bool:
    ends = {"unsupported_format"} if name in UNSUPPORTED else ENDS[expect]
    return end.how in ends and end.memory < MOST_MEMORY


def test_manifest_contains_every_outcome(corpus: Path) -> None:
    expected = [entry for part in range(PARTS) for entry in entries(corpus, part)]
    assert len(expected) >= 456
    assert {expect for _, expect in expected} == ENDS.keys()


# --- Orientation --------------------------------------------------------------------------


def paths(corpus: Path, pattern: str) -> list[Path]:
    found = sorted(corpus.glob(pattern))
    assert found, f"The corpus has no {pattern}."
    return found


@pytest.mark.parametrize("preset", [SMALL, THUMB], ids=lambda preset: preset.name)
@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_every_orientation_looks_like_the_upright_picture(shape: str, preset: Preset, corpus: Path) -> None:
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
def test_every_orientation_of_a_small_picture_is_upright(suffix: str, corpus: Path) -> None:
    upright = rendered((corpus / "orientation" / "hopper_orientation_2.jpg").read_bytes())
    files = paths(corpus, f"orientation/hopper_orientation_*.{suffix}")
    assert len(files) == 7
    for path in files:
        assert distance(rendered(path.read_bytes()), upright) < 10, path.name
    assert distance(upright, upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 40


def test_rotations_and_mirrors_of_avif_are_applied(corpus: Path) -> None:
    # The picture shows its orientation in text, so a strip in its middle is not compared.
    files = paths(corpus, "orientation/avif_rot*mir*.avif")
    pictures = [rendered(path.read_bytes()).crop((0, 0, 320, 50)) for path in files]
    assert len(files) == 8
    for path, picture in zip(files, pictures, strict=True):
        assert distance(picture, pictures[0]) < 3, path.name
    assert distance(pictures[0], pictures[0].transpose(Image.Transpose.FLIP_LEFT_RIGHT)) > 6


def test_png_orientation_after_the_pixels_is_applied(corpus: Path) -> None:
    path = corpus / "orientation" / "exif_imagemagick_orientation.png"
    stored = opened(path.read_bytes()).resize((320, 320), Image.Resampling.LANCZOS)
    upright = rendered(path.read_bytes())
    # Its gamma and primaries differ slightly from those of sRGB.
    assert distance(upright, stored.transpose(Image.Transpose.ROTATE_180)) < 4
    assert distance(upright, stored) > 10


# --- Colour -------------------------------------------------------------------------------


def converted(data: bytes) -> Image.Image:
    """Return the whole picture in sRGB, converted by LittleCMS at full size."""
    image = Image.open(BytesIO(data))
    image.load()
    profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
    flat = image if image.mode in {"RGB", "L", "CMYK"} else image.convert("RGB")
    result = ImageCms.profileToProfile(flat, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert result is not None
    return result


@pytest.mark.parametrize("name", WIDE_COLOR)
def test_colours_match_a_colour_managed_viewer(name: str, corpus: Path) -> None:
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
def test_first_picture_of_an_mpo_is_shown(name: str, corpus: Path) -> None:
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


def test_photograph_is_rendered_in_every_size(corpus: Path) -> None:
    data = (corpus / "photos" / "Canon_EOS-1D_Mark_III__via_Adobe_Lightroom_.jpg").read_bytes()
    presets = [Preset(name=str(width), width=width, effort=1) for width in (1280, 640, 320)]
    source = decode(data, presets=presets, limits=LIMITS)
    whole = opened(data)
    for preset in presets:
        expected = whole.resize(preset.output_size(whole.size), Image.Resampling.LANCZOS)
        assert distance(opened(source.render(Recipe(preset, "png")).data), expected) < 2, preset.name
