"""Template tags: of the pages, and `picture` for the pages of anybody who builds on Darkroom."""

from functools import partial
from typing import Any

from django import template
from django.conf import settings
from django.template import TemplateSyntaxError

from processing import conf
from processing.presets import Preset
from uploads.events import history
from uploads.notices import inbox
from uploads.serving import links, responsive

register = template.Library()

PLACEHOLDERS = ("color", "thumbhash", "none")
_FORMAT_NAMES = {"webp": "WebP"}


@register.simple_tag
def flower_url() -> str:
    """Return where Flower is reached, or nothing where it is not."""
    return str(settings.FLOWER_URL)


@register.simple_tag(takes_context=True)
def last_event(context: dict[str, Any]) -> int:
    """Return the event after which a page follows its reader's: that from before it was drawn."""
    known: int | None = context.get("last_event")
    return history.newest(owner_id=context["user"].pk) if known is None else known


@register.simple_tag
def event_names() -> str:
    """Return the names of all events, with spaces between them."""
    return " ".join(history.NAMES)


@register.simple_tag(takes_context=True)
def unread_count(context: dict[str, Any]) -> int:
    """Return how many notices the reader has not read."""
    return inbox.unread_count(context["user"])


@register.inclusion_tag("uploads/picture.html")
def picture(
    upload: Any,
    *,
    preset: str = "",
    sizes: str = "100vw",
    alt: str = "",
    placeholder: str = "color",
    signed: bool = True,
    loading: str = "lazy",
    fetchpriority: str = "",
    css_class: str = "",
) -> dict[str, Any]:
    """Show an upload at whatever width the browser needs, up to that of a preset.

    Nothing is shown of no upload and of one that is deleted. `docs/templates.md` tells it all.
    """
    recipe = _preset(preset or links.main_preset())
    if placeholder not in PLACEHOLDERS:
        raise TemplateSyntaxError(
            f"picture: placeholder is {placeholder!r}; it must be one of {', '.join(PLACEHOLDERS)}."
        )
    if not upload or upload.deleted_at:
        return {}
    return {
        "upload": upload,
        "picture": responsive.picture_of(
            upload, recipe, partial(links.file_path if signed else links.rendition_path, upload)
        ),
        "sizes": sizes,
        "alt": alt,
        "style": _style(upload, placeholder),
        "loading": loading,
        "fetchpriority": fetchpriority,
        "css_class": css_class,
    }


@register.filter
def format_name(format: str) -> str:
    """Return a format's name as people write it."""
    return _FORMAT_NAMES.get(format, format.upper())


def _preset(name: str) -> Preset:
    found = conf.preset_named(name)
    if found is None:
        known = ", ".join(sorted(preset.name for preset in conf.presets()))
        raise TemplateSyntaxError(f"picture: there is no preset {name!r}; there are {known}.")
    return found


def _style(upload: Any, placeholder: str) -> str:
    """Return what stands behind the picture while it loads.

    It would shine through what is transparent, and is not told of before its owner has seen it.
    """
    original = upload.original
    if not upload.thumbnails_ready_at or original.transparent:
        return ""
    if placeholder == "color" and original.color:
        return f"background-color:{original.color}"
    if placeholder == "thumbhash" and original.thumbhash:
        return f"background:url({responsive.blurred(original.thumbhash)}) center/cover"
    return ""
