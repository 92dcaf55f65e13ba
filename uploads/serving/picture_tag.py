"""The contexts of the template tags `picture` and `own_picture`."""

from functools import partial
from typing import Any

from django.template import TemplateSyntaxError

from processing import conf
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
    alt: str = "",
    placeholder: str = "color",
    link: str = "",
    loading: str = "lazy",
    fetchpriority: str = "",
    css_class: str = "",
) -> dict[str, Any]:
    """Show an upload as wide as the browser needs, up to the width of the preset.

    A missing or deleted upload shows nothing. `docs/templates.md` describes the arguments.
    """
    recipe = _preset(preset or links.main_preset())
    if placeholder not in PLACEHOLDERS:
        raise TemplateSyntaxError(
            f"picture: placeholder is {placeholder!r}; it must be one of {', '.join(PLACEHOLDERS)}."
        )
    if not upload or upload.deleted_at:
        return {}
    found = picture_of(upload, recipe, partial(links.file_path, upload, token=link), token=link)
    attributes = attributes_of(
        found,
        upload,
        sizes=sizes,
        alt=alt,
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


def _preset(name: str) -> Preset:
    found = conf.preset_named(name)
    if found is None:
        known = ", ".join(sorted(preset.name for preset in conf.presets()))
        raise TemplateSyntaxError(f"picture: there is no preset {name!r}. Known presets: {known}.")
    return found


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
