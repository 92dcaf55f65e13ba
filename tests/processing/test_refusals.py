import pytest
from django.utils.translation import override

from processing import refusals
from processing.errors import Refusal
from processing.images.reading.refusals import UnreadableImage

# Only final refusals of `processing` are stored with an upload.
STORED = sorted(
    kind.code
    for kind in Refusal.__subclasses__()
    if kind.__module__.startswith("processing.") and kind.retry_after is None
)


def test_every_stored_code_has_a_sentence() -> None:
    assert "processing_failed" in STORED
    assert sorted(refusals.SENTENCES) == STORED


@pytest.mark.parametrize("code", STORED)
def test_stored_failure_is_translated_by_its_code(code: str) -> None:
    detail = "cat.jpg has 5 pixels."
    with override("en"):
        english = str(refusals.SENTENCES[code])
    with override("de"):
        assert refusals.stored_sentence(code=code, detail=detail) not in (detail, english, "")


@pytest.mark.parametrize("language", ["en", "en-gb", None])
def test_stored_failure_is_unchanged_in_english(language: str | None) -> None:
    with override(language):
        told = refusals.stored_sentence(code="unreadable_image", detail="cat.jpg is damaged.")
    assert told == "cat.jpg is damaged."


def test_unknown_code_keeps_its_stored_sentence() -> None:
    with override("de"):
        assert refusals.stored_sentence(code="of_a_later_version", detail="It is new.") == "It is new."
        assert refusals.stored_sentence(code="", detail="") == ""


def test_refusal_is_translated_with_its_values() -> None:
    refusal = UnreadableImage(
        "{name} is damaged or incomplete. Open it in an editor, save a new copy and upload that.",
        name="{cat}.jpg",
    )
    with override("de"):
        assert refusals.sentence(refusal).startswith("{cat}.jpg ist beschädigt oder unvollständig.")
    with override("en"):
        assert refusals.sentence(refusal) == str(refusal)
