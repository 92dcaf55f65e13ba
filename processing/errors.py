"""What a person is told when their file cannot be processed."""

from http import HTTPStatus
from typing import ClassVar


class Refusal(Exception):
    """A reason, fit to be read by a person, why a file cannot be taken or processed.

    `str(refusal)` is the sentence that tells what is wrong and what to do; `code` is stable
    and meant for programs; `status` is the answer's HTTP status; `retry_after` is how many seconds to wait
    before trying again, None where that does not help. Template and values are kept,
    so that whoever answers people can say the same in their language. The template is a literal
    where it is raised, for there `make messages` finds it.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[HTTPStatus]
    retry_after: int | None = None

    def __init__(self, template: str, **values: str | int) -> None:
        super().__init__(template)
        self.template, self.values = template, values

    def __str__(self) -> str:
        return self.template.format(**self.values)


class Phrase(str):
    """A value of a refusal's sentence that is words itself, and is said in the reader's language too.

    It is a literal where it is made, for there `make messages` finds it.
    """

    __slots__ = ()


class TransientError(Exception):
    """Something outside failed in a way that may pass: the step is tried again later."""
