"""The figures of a run, and the limits that they have to keep."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.limits import Limit
from benchmarks.system.sender import Sent

# The last thumbnail of a batch, as a part of the time until all its sizes are ready.
LAST_THUMBNAIL = 0.3
# Seconds until another person's thumbnail, meanwhile.
MEANWHILE = 1.0
# These seconds while everything is reprocessed ÷ those alone.
REPROCESSING = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The seconds that people waited.

    - `last_thumbnail`, `all_ready`: since the first photograph of the batch was sent.
    - `alone`, `meanwhile`, `reprocessing`: the other person, for each photograph from its sending until its
      thumbnail: with nothing else going on, during the batch, and while everything is reprocessed.
    """

    last_thumbnail: float
    all_ready: float
    alone: Sequence[float]
    meanwhile: Sequence[float]
    reprocessing: Sequence[float]

    @property
    def limits(self) -> list[Limit]:
        """Return each limit with the figure that was reached."""
        return [
            Limit(
                text="last thumbnail of a batch ÷ time until all is ready",
                reached=self.last_thumbnail / self.all_ready,
                most=LAST_THUMBNAIL,
            ),
            Limit(
                text="another person's thumbnail meanwhile, p95, s",
                reached=percentile_95(self.meanwhile),
                most=MEANWHILE,
            ),
            Limit(
                text="another person's thumbnail while everything is reprocessed ÷ alone, p95",
                reached=percentile_95(self.reprocessing) / percentile_95(self.alone),
                most=REPROCESSING,
            ),
        ]


def figures(
    *, alone: Sequence[Sent], batch: Sequence[Sent], meanwhile: Sequence[Sent], reprocessing: Sequence[Sent]
) -> Figures:
    """Return the figures of the photographs that were sent in each stage."""
    began_at = min(one.began_at for one in batch)
    return Figures(
        last_thumbnail=max(one.thumbnails_at for one in batch) - began_at,
        all_ready=max(one.ready_at for one in batch) - began_at,
        alone=[one.waited for one in alone],
        meanwhile=[one.waited for one in meanwhile],
        reprocessing=[one.waited for one in reprocessing],
    )


def percentile_95(values: Sequence[float]) -> float:
    """Return the smallest of the values that 95 % of them do not exceed."""
    return sorted(values)[-(-95 * len(values) // 100) - 1]
