"""The place of Darkroom in a project: the path at which it includes `uploads.urls`."""

from django.urls import NoReverseMatch, get_script_prefix, reverse


def prefix() -> str:
    """Return the path of the include below the site's sub-path, such as `/photos`, or "" for the root.

    Without an include it is "", too; a system check reports that.
    """
    try:
        home = reverse("uploads:home")
    except NoReverseMatch:
        return ""
    return f"/{home.removeprefix(get_script_prefix())}".rstrip("/")


def below(path: str) -> str:
    """Return a path as Darkroom's own URLs spell it, or "" if it is another app's.

    `path` has no sub-path, like `HttpRequest.path_info`.
    """
    start = prefix()
    return path.removeprefix(start) if path.startswith(f"{start}/") else ""
