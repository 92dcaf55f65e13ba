"""The form field of a picture."""

from uploads.forms.field import PictureFormField
from uploads.forms.values import SentPicture

__all__ = ["PictureFormField", "SentPicture"]
