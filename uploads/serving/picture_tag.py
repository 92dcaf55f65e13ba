"""The contexts of the template tags `picture` and `own_picture`."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.template import TemplateSyntaxError

from processing import conf
from processing.conf import UnknownPreset
from processing.presets import Preset
from uploads.models import Upload
from uploads.serving import links
from uploads.serving.responsive import Picture, blurred, picture_of

PLACEHOLDERS = ("color", "thumbhash", "none")


def picture(
    upload: Upload | None,
    *,
    preset: str = "",
    sizes: str = "100vw",
    alt: str | None = None,
    placeholder: str = "color",
    link: str = "",
    loading: str = "lazy",
    fetchpriority: str = "",
    css_class: str = "",
    default: str = "",
) -> dict[str, Any]:
    """Show an upload as wide as the browser needs, up to the width of the preset.

    A missing or deleted upload shows the picture at the URL `default`, or nothing. `docs/templates.md`
    describes the arguments.
    """
    if placeholder not in PLACEHOLDERS:
        raise TemplateSyntaxError(
            f"picture: placeholder is {placeholder!r}; it must be one of {', '.join(PLACEHOLDERS)}."
        )
    # The preset is checked without an upload too, so that a wrong name is found early.
    recipe = _preset(preset, upload.offered if isinstance(upload, Upload) else ())
    # Until its row is saved, the value of a model's field is the file that was sent.
    if not isinstance(upload, Upload) or upload.deleted_at:
        return _default(default, alt=alt or "", css_class=css_class, loading=loading)
    found = picture_of(upload, recipe, partial(links.file_path, upload, token=link), token=link)
    attributes = attributes_of(
        found,
        upload,
        sizes=sizes,
        alt=upload.alt if alt is None else alt,
        css_class=css_class,
        loading=loading,
        fetchpriority=fetchpriority,
        style=_style(upload, placeholder),
    )
    return {"picture": found, "sizes": sizes, "attributes": attributes}


def own_picture(
    upload: Upload,
    *,
    preset: str,
    sizes: str,
    alt: str = "",
    loading: str = "lazy",
    fetchpriority: str = "",
) -> dict[str, Any]:
    """Show an upload on a page of its owner, with permanent URLs and without a placeholder."""
    return picture(
        upload,
        preset=preset,
        sizes=sizes,
        alt=alt,
        placeholder="none",
        loading=loading,
        fetchpriority=fetchpriority,
    )


def attributes_of(
    picture: Picture,
    upload: Upload,
    *,
    sizes: str,
    alt: str,
    css_class: str = "",
    loading: str = "lazy",
    fetchpriority: str = "",
    style: str = "",
) -> dict[str, str]:
    """Return the attributes of the `<img>` in order, without empty ones except `alt`."""
    width, height = picture.size
    waits = not picture.srcset
    attributes = {
        "src": picture.address,
        "srcset": picture.srcset,
        "sizes": sizes if picture.srcset else "",
        "width": str(width),
        "height": str(height),
        "alt": alt,
        "class": css_class,
        "loading": loading,
        "fetchpriority": fetchpriority,
        "decoding": "async",
        "style": style,
        "data-upload": str(upload.pk) if waits else "",
        "data-status": upload.status if waits else "",
    }
    return {name: value for name, value in attributes.items() if value or name == "alt"}


def _preset(name: str, offered: Sequence[str]) -> Preset:
    """Return the preset of that name, by default the main one, or the largest that the field offers."""
    if not name:
        name = next((one.name for one in conf.presets() if one.name in offered), "") or links.main_preset()
    try:
        return conf.known_preset(name, among=offered)
    except UnknownPreset as error:
        raise TemplateSyntaxError(f"picture: {error}") from error


def _default(address: str, *, alt: str, css_class: str, loading: str) -> dict[str, Any]:
    """Return the context that shows the picture at this URL, or nothing without one."""
    if not address:
        return {}
    attributes = {"src": address, "alt": alt, "class": css_class, "loading": loading, "decoding": "async"}
    return {
        "picture": {"sources": []},
        "attributes": {name: value for name, value in attributes.items() if value or name == "alt"},
    }


def _style(upload: Upload, placeholder: str) -> str:
    """Return the style of the placeholder behind the picture while it loads, or "" for none.

    A transparent picture has none, because the placeholder would show through. An upload has none before its
    thumbnails are ready, because that would reveal that another owner has sent the same file.
    """
    original = upload.original
    if not upload.thumbnails_ready_at or original.transparent:
        return ""
    if placeholder == "color" and original.color:
        return f"background-color:{original.color}"
    if placeholder == "thumbhash" and original.thumbhash:
        return f"background:url({blurred(original.thumbhash)}) center/cover"
    return ""
