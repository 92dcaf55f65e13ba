"""Wagtail's images, of which Darkroom makes the renditions that have a preset."""

from django.db import models
from wagtail.images.models import AbstractImage, AbstractRendition, Filter, Image

from processing import conf
from uploads.fields import PictureField


class Photo(AbstractImage):
    """An image of Wagtail with an upload of the same file."""

    upload = PictureField(owner="uploaded_by_user", null=True, editable=False)
    admin_form_fields = Image.admin_form_fields

    def save(self, *args, **kwargs):
        """Let Darkroom receive a new file."""
        if self.file and not self.file._committed:
            self.upload = self.file.file
        super().save(*args, **kwargs)

    def find_existing_renditions(self, *filters):
        """Return Darkroom's renditions, and Wagtail's for filters without a preset."""
        found = {filter: made for filter in filters if (made := self._made_by_darkroom(filter))}
        others = [filter for filter in filters if filter not in found]
        return found | (super().find_existing_renditions(*others) if others else {})

    def _made_by_darkroom(self, filter: Filter):
        operations = filter.spec.split("|")
        formats = [one.removeprefix("format-") for one in operations if one.startswith("format-")]
        others = [one for one in operations if not one.startswith("format-")]
        preset = next((preset for preset in conf.presets() if [spec_of(preset)] == others), None)
        if self.upload is None or preset is None or not set(formats) <= set(preset.formats):
            return None
        width, height = preset.output_size((self.upload.original.width, self.upload.original.height))
        made = PhotoRendition(image=self, filter_spec=filter.spec, width=width, height=height)
        made.address = self.upload.url(preset.name, *formats[:1])
        return made


class PhotoRendition(AbstractRendition):
    """A rendition: a row of Wagtail's, or an unsaved one with the address of Darkroom's."""

    image = models.ForeignKey(Photo, on_delete=models.CASCADE, related_name="renditions")
    address = ""

    class Meta:
        unique_together = [("image", "filter_spec", "focal_point_key")]

    @property
    def url(self):
        """Return the address of the picture."""
        return self.address or super().url


def spec_of(preset):
    """Return the filter of Wagtail that a preset makes."""
    if preset.mode == "fill":
        return f"fill-{preset.width}x{preset.height}"
    return f"width-{preset.width}"
