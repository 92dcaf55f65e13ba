"""The requirements of a field: the formats, the bytes and the pixels of its pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from django.template.defaultfilters import filesizeformat

from processing import conf
from processing.errors import Refusal
from processing.presets import Size


class UnsuitableImage(Refusal):
    """The image does not meet the requirements of the model's field."""

    code = "unsuitable_image"
    title = "The image is not suitable"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """The requirements of one field; an empty tuple and None require nothing.

    `kinds` are formats of originals, such as `jpeg`. Widths and heights are pixels of the upright picture.
    """

    kinds: tuple[str, ...] = ()
    max_bytes: int | None = None
    min_width: int | None = None
    min_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None

    def check(self, *, name: str, kind: str, size: Size, byte_size: int) -> None:
        """Raise `UnsuitableImage` if a picture does not meet the requirements; `name` is used in its text."""
        if self.kinds and kind not in self.kinds:
            raise UnsuitableImage(
                "{name} has the format {kind}. Upload one of these formats: {kinds}.",
                name=name,
                kind=kind.upper(),
                kinds=", ".join(self.kinds).upper(),
            )
        if self.max_bytes is not None and byte_size > self.max_bytes:
            raise UnsuitableImage(
                "{name} is larger than {limit}. Upload a smaller file.",
                name=name,
                limit=filesizeformat(self.max_bytes),
            )
        self._check_width(name, size[0])
        self._check_height(name, size[1])

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each requirement that no picture could meet."""
        accepted = [name.lower() for name in conf.limits().formats]
        for kind in self.kinds:
            if kind not in accepted:
                yield f"kinds names {kind!r}, which is not accepted. Accepted formats: {', '.join(accepted)}."
        for name in ("max_bytes", "min_width", "min_height", "max_width", "max_height"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and value > 0):
                yield f"{name} is {value!r}; it must be a whole number, 1 or more."
                return
        for side in ("width", "height"):
            least, most = getattr(self, f"min_{side}"), getattr(self, f"max_{side}")
            if least is not None and most is not None and least > most:
                yield f"min_{side} is {least}, more than max_{side}, {most}."

    def _check_width(self, name: str, width: int) -> None:
        if self.min_width is not None and width < self.min_width:
            raise UnsuitableImage(
                "{name} is {width} pixels wide. Upload an image that is at least {least} pixels wide.",
                name=name,
                width=width,
                least=self.min_width,
            )
        if self.max_width is not None and width > self.max_width:
            raise UnsuitableImage(
                "{name} is {width} pixels wide. Upload an image that is at most {most} pixels wide.",
                name=name,
                width=width,
                most=self.max_width,
            )

    def _check_height(self, name: str, height: int) -> None:
        if self.min_height is not None and height < self.min_height:
            raise UnsuitableImage(
                "{name} is {height} pixels high. Upload an image that is at least {least} pixels high.",
                name=name,
                height=height,
                least=self.min_height,
            )
        if self.max_height is not None and height > self.max_height:
            raise UnsuitableImage(
                "{name} is {height} pixels high. Upload an image that is at most {most} pixels high.",
                name=name,
                height=height,
                most=self.max_height,
            )
