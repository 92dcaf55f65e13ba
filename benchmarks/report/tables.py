"""Tables in Markdown, aligned in the source too."""

from collections.abc import Sequence

from benchmarks.report.run import Run

Rows = Sequence[Sequence[str]]

NONE = "–"


def mean_cell(run: Run, contender: str, mean: float | None) -> str:
    """Return the cell of a contender's mean ratio."""
    return missing_cell(run, contender) if mean is None else f"**{number(mean)}**"


def missing_cell(run: Run, contender: str) -> str:
    """Return the cell of a contender without figures: it failed, or it can read none of the images."""
    return "**missing**" if contender in run.failures() else NONE


def number(value: float | None, *, digits: int = 2) -> str:
    """Return the number with these digits after the point, or a dash."""
    return NONE if value is None else f"{value:.{digits}f}"


def table(header: Sequence[str], rows: Rows, *, words: int = 1) -> str:
    """Return a table, aligned in the source too; the first `words` columns hold words, the rest figures."""
    cells = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    rule = ["-" * (width + 1) + ("-" if column < words else ":") for column, width in enumerate(widths)]
    lines = [f"| {' | '.join(_padded(row, widths, words))} |" for row in cells]
    return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])


def _padded(row: Sequence[str], widths: Sequence[int], words: int) -> list[str]:
    return [
        cell.ljust(width) if column < words else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
