"""Errors of processing: refusals that people read, and failures that may pass."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar


class Refusal(Exception):
    """A reason why a file cannot be accepted or processed, written for people.

    `str(refusal)` is a sentence that states the problem and what to do. `code` is stable and meant for
    programs. `status` is the HTTP status of the response. `retry_after` is the number of seconds to wait
    before trying again, or None if that does not help. `members` are further members of the response. The
    template and its values are kept so that the sentence can be translated. Raise it with a literal template,
    because `make messages` looks for literals.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[HTTPStatus]
    retry_after: int | None = None
    members: Mapping[str, str] = MappingProxyType({})

    def __init__(self, template: str, **values: str | int) -> None:
        super().__init__(template)
        self.template, self.values = template, values

    def __str__(self) -> str:
        return self.template.format(**self.values)


class Phrase(str):
    """A value of a refusal's sentence that is translated too.

    Create it from a literal, because `make messages` looks for literals.
    """

    __slots__ = ()


class TransientError(Exception):
    """An external failure that may pass: the step is tried again later."""
