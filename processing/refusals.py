"""Refusals in the reader's language, both current ones and those stored in English."""

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from processing.errors import Phrase, Refusal

# Sentences for stored failures in other languages, because the values of the original sentence are not
# stored.
SENTENCES = {
    "unsupported_format": _("The file is not a supported image. Upload it in another format."),
    "unreadable_image": _(
        "The file is damaged or incomplete. Open it in an editor, save a new copy and upload that."
    ),
    "too_many_pixels": _("The image has too many pixels. Upload a smaller version."),
    "too_much_metadata": _(
        "The file contains too much metadata. Save a copy without metadata and upload that."
    ),
    "original_lost": _("The original file is lost or damaged. Upload it again to restore it."),
    "not_checked": _("The image could not be checked in time. Try again later."),
    "processing_failed": _("Processing failed. Try again later."),
}


def sentence(refusal: Refusal) -> str:
    """Return a refusal's sentence in the current language."""
    values = {
        name: gettext(value) if isinstance(value, Phrase) else value for name, value in refusal.values.items()
    }
    return gettext(refusal.template).format(**values)


def stored_sentence(*, code: str, detail: str) -> str:
    """Return the stored English sentence, or in other languages the sentence for its code."""
    in_english = (get_language() or "en").partition("-")[0] == "en"
    return detail if in_english or code not in SENTENCES else str(SENTENCES[code])
