"""Form fields for pictures."""

from uploads.forms.field import PictureFormField
from uploads.forms.values import SentPicture
from uploads.forms.widget import PictureInput

__all__ = ["PictureFormField", "PictureInput", "SentPicture"]
