"""The field for the pictures of a project's own models."""

from uploads.fields.lookups import picture_lookups
from uploads.fields.picture import PictureField

__all__ = ["PictureField", "picture_lookups"]
