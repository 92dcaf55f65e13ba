"""The output: its bytes and its quality."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

from benchmarks.measurements import Quality, geometric_mean
from benchmarks.report.run import FLOOR, Run
from benchmarks.report.tables import NONE, mean_cell, missing_cell, number, table
from benchmarks.work import QUALITY, RENDITIONS, Format

FORMAT_LABELS: dict[Format, str] = {"webp": "WebP", "jpeg": "JPEG", "avif": "AVIF"}


def byte_section(run: Run) -> str:
    """Return the section of the bytes of each picture's files."""
    rows = []
    for one in run.contenders:
        if one.key != FLOOR:
            ratios = run.results.byte_ratios(contender=one.key, other=FLOOR)
            cells = [number(ratios.get(name)) for name in run.results.pictures]
            mean_ratio = geometric_mean(ratios[name] for name in run.results.stills if name in ratios)
            rows.append([one.label, mean_cell(run, one.key, mean_ratio), *cells])
    text = "Total bytes of an image's files, divided by those of the reference recipe."
    header = ["contender", "mean", *run.picture_labels]
    return f"## Bytes\n\n{text}\n\n{table(header, rows)}"


_QUALITY = """*SSIM* compares luminance with the reference, on a white background, averaged over the files of
all still images. *Lost* is how much lower than the reference recipe's it is, for the worst rendition of the
worst image. *Colour* is the largest error of a file's mean colour, out of 255: about 10 for an ignored
profile, about 90 if transparency became a colour other than white in JPEG. *Metadata* is "yes" if any file
contains metadata or a profile."""

_SCORES = """[SSIMULACRA2](https://github.com/cloudinary/ssimulacra2) of the files of up to 1.5 megapixels,
averaged over the still images: 90 cannot be told from the reference, 70 is high quality, 50 medium. *Worst*
is the lowest score of a file."""

_NAMES = [rendition.name for rendition in RENDITIONS]


def quality_section(run: Run) -> str:
    """Return the section of SSIM and SSIMULACRA2."""
    header = ["contender", "lost", "colour", "metadata", "SSIM"]
    rows = [_quality_row(run, one.key) for one in run.contenders]
    tables = [table(header, rows), _SCORES, _scores(run)]
    return "\n\n".join(["## Quality", _QUALITY, *tables])


def _quality_row(run: Run, contender: str) -> list[str]:
    qualities = _qualities(run, contender)
    if not qualities:
        return [run.label(contender), missing_cell(run, contender), *[NONE] * 3]
    losses = run.results.quality_losses(contender=contender, other=FLOOR)
    each = [quality for one in qualities for quality in one.values()]
    return [
        run.label(contender),
        number(max(losses.values(), default=None), digits=4),
        number(max(quality.color_error for quality in each), digits=1),
        "yes" if any(quality.metadata for quality in each) else "no",
        number(_mean(quality.ssim for quality in each), digits=4),
    ]


def _scores(run: Run) -> str:
    """Return the table of SSIMULACRA2, with a column for each rendition that any file was scored of."""
    rows: list[list[str]] = []
    contenders = [one.key for one in run.contenders if one.scored]
    found = {key: _qualities(run, key) for key in contenders}
    names = [
        name
        for name in _NAMES
        if any(one.score is not None for each in found.values() for one in _files(each, name))
    ]
    for key, qualities in found.items():
        scores = [[one.score for one in _files(qualities, name) if one.score is not None] for name in names]
        worst = min((score for each in scores for score in each), default=None)
        means = [number(_mean(each), digits=1) for each in scores]
        rows.append([run.label(key), number(worst, digits=1), *means])
    return table(["SSIMULACRA2", "worst", *names], rows)


def _qualities(run: Run, contender: str) -> list[Mapping[str, Quality]]:
    """Return the qualities of the contender's files, for each still image."""
    found = [run.results.get(contender, name) for name in run.results.stills]
    return [one.qualities for one in found if one]


def _files(qualities: Sequence[Mapping[str, Quality]], name: str) -> list[Quality]:
    return [one[name] for one in qualities if name in one]


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return mean(found) if found else None


_EQUAL = """Darkroom's bytes for one rendition, 1280 pixels wide, divided by those of sharp's best recipe at
the same SSIMULACRA2 and the same effort of the encoder. sharp writes the file at several qualities. Its bytes
are interpolated between the two around Darkroom's score. A dash means that sharp reached no such score."""


def equal_quality_section(run: Run) -> str:
    """Return the section of bytes at equal quality, or nothing if they were not compared."""
    if not run.equal:
        return ""
    header = ["bytes ÷ sharp, best recipe", "mean", *[run.labels[picture] for picture in run.equal]]
    rows = []
    for format, label in FORMAT_LABELS.items():
        ratios = [formats[format].ratio for formats in run.equal.values()]
        middle = geometric_mean(ratio for ratio in ratios if ratio is not None)
        rows.append([label, f"**{number(middle, digits=3)}**", *[number(one, digits=3) for one in ratios]])
    return f"## Bytes at equal quality\n\n{_EQUAL}\n\n{table(header, rows)}"


_FORMATS = """The cost of encoding one rendition, 1280 pixels wide, in each format at Darkroom's defaults
(AVIF: quality 60, speed 8, one thread)."""


def format_section(run: Run) -> str:
    """Return the section of WebP, JPEG and AVIF, or nothing if they were not studied."""
    rows: list[list[str]] = []
    for picture, formats in run.formats.items():
        rows.extend(
            [
                run.labels[picture],
                FORMAT_LABELS[name],
                number(1000 * found["cpu"], digits=0),
                number(found["byte_size"] / 1000, digits=0),
                number(found["ssim"], digits=4),
                number(found["score"], digits=1),
            ]
            for name in QUALITY
            for found in [formats[name]]
        )
    header = ["picture", "format", "CPU, ms", "kB", "SSIM", "SSIMULACRA2"]
    return f"## Formats\n\n{_FORMATS}\n\n{table(header, rows, words=2)}" if rows else ""
