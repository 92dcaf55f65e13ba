"""What a person is told when their file cannot be processed."""

from http import HTTPStatus
from typing import ClassVar


class Refusal(Exception):
    """A reason, fit to be read by a person, why a file cannot be taken or processed.

    `str(refusal)` is the sentence that tells what is wrong and what to do; `code` is stable
    and meant for programs; `status` is the answer's HTTP status.
    """

    code: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[HTTPStatus]


class TransientError(Exception):
    """Something outside failed in a way that may pass: the step is tried again later."""
