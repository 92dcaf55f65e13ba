"""Messages: presets, limits and refusals as JSON."""

from dataclasses import asdict
from typing import Any

from processing.errors import Phrase, Refusal
from processing.images.reading.limits import Limits
from processing.presets import Preset, Recipe

Fields = dict[str, Any]


def fields_of(value: Preset | Limits) -> Fields:
    """Return the fields of a preset or of the limits."""
    return asdict(value)


def preset_of(fields: Fields) -> Preset:
    """Return the preset with these fields."""
    return Preset(**{**fields, "formats": tuple(fields["formats"])})


def limits_of(fields: Fields) -> Limits:
    """Return the limits with these fields."""
    return Limits(**{**fields, "formats": tuple(fields["formats"])})


def recipe_fields(recipe: Recipe) -> Fields:
    """Return a recipe's fields."""
    return {"preset": fields_of(recipe.preset), "format": recipe.format, "focus": recipe.focus}


def recipe_of(fields: Fields) -> Recipe:
    """Return the recipe with these fields."""
    return Recipe(preset_of(fields["preset"]), fields["format"], fields["focus"])


def refusal_fields(refusal: Refusal) -> Fields:
    """Return a refusal as its code, its sentence, and the values in it; `phrases` names translated values."""
    return {
        "code": refusal.code,
        "template": refusal.template,
        "values": refusal.values,
        "phrases": [name for name, value in refusal.values.items() if isinstance(value, Phrase)],
    }
