"""The app that works on bytes, and a refusal of other apps that have the names of Darkroom's."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from processing import checks

__all__ = ["ProcessingConfig", "checks", "refuse_others"]

OURS = ("processing", "uploads")
_FOLDER = Path(__file__).resolve().parent.parent


class ProcessingConfig(AppConfig):
    """Originals, presets and renditions."""

    name = "processing"
    verbose_name = "Processing"
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, *arguments: Any) -> None:
        refuse_others()
        super().__init__(*arguments)


def refuse_others() -> None:
    """Raise `ImproperlyConfigured` with what to do, if another app has the name or the label of one of ours.

    Django raises a short error of its own for labels, before any system check can run.
    """
    for name in OURS:
        if any(entry.partition(".")[0] == name for entry in settings.INSTALLED_APPS):
            _refuse_shadow(name)
    for entry, label in _namesakes():
        raise ImproperlyConfigured(
            f"The app {entry!r} has the label {label!r}, which is Darkroom's. Give it another one: set "
            "`label` in its AppConfig, and `db_table` in its models, because table names contain the label."
        )


def _refuse_shadow(name: str) -> None:
    """Raise an error if Python finds another package of this name than the one beside this file."""
    spec = find_spec(name)
    folder = Path(next(iter(spec.submodule_search_locations or ()), "")).resolve() if spec else None
    if folder != _FOLDER / name:
        raise ImproperlyConfigured(
            f"The package {name!r} that Python finds is {folder}, which is not Darkroom's. Rename it, or "
            f"move it into a package of the project, such as shop.{name}, and give it another label."
        )


def _namesakes() -> Iterator[tuple[str, str]]:
    """Yield each other app with one of our labels."""
    for entry in settings.INSTALLED_APPS:
        words = entry.split(".")
        if words[0] in OURS or not set(words) & set(OURS):
            continue
        label = AppConfig.create(entry).label
        if label in OURS:
            yield entry, label
