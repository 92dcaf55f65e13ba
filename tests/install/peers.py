"""Projects with the thumbnail libraries whose fields `adopt_images` takes over."""

from dataclasses import dataclass
from pathlib import Path

from tests.install.project import Project

TEMPLATE = Path(__file__).with_name("project_of_peers")
PACKAGES = ("easy-thumbnails", "sorl-thumbnail", "django-imagekit", "django-pictures")


@dataclass(frozen=True, slots=True)
class Peer:
    """A library: its app, the field of a model with the imports for it, and a template that shows a row."""

    app: str
    imports: str
    fields: str
    page: str


PEERS = {
    "easy-thumbnails": Peer(
        app="easy_thumbnails",
        imports="from easy_thumbnails.fields import ThumbnailerImageField",
        fields='photo = ThumbnailerImageField(upload_to="photos")',
        page='{% load thumbnail %}<img src="{% thumbnail article.photo 64x64 crop %}">',
    ),
    "sorl-thumbnail": Peer(
        app="sorl.thumbnail",
        imports="from sorl.thumbnail import ImageField",
        fields='photo = ImageField(upload_to="photos")',
        page='{% load thumbnail %}{% thumbnail article.photo "64x64" crop="center" as thumb %}'
        '<img src="{{ thumb.url }}">{% endthumbnail %}',
    ),
    "django-imagekit": Peer(
        app="imagekit",
        imports="from imagekit.models import ImageSpecField, ProcessedImageField\n"
        "from imagekit.processors import ResizeToFill, ResizeToFit",
        fields='photo = ProcessedImageField(upload_to="photos", processors=[ResizeToFit(500, 500)], '
        'format="JPEG", options={"quality": 90})\n'
        '    thumb = ImageSpecField(source="photo", processors=[ResizeToFill(64, 64)], format="JPEG")',
        page='<img src="{{ article.thumb.url }}">',
    ),
    "django-pictures": Peer(
        app="pictures",
        imports="from pictures.models import PictureField as OldPictureField",
        fields='photo = OldPictureField(upload_to="photos", aspect_ratios=[None], file_types=["WEBP"],\n'
        '        container_width=200, width_field="photo_width", height_field="photo_height")\n'
        "    photo_width = models.PositiveIntegerField()\n"
        "    photo_height = models.PositiveIntegerField()",
        page='{% load pictures %}{% picture article.photo img_alt="" %}',
    ),
}
MODELS = """from django.contrib.auth.models import User
from django.db import models
{imports}

class Article(models.Model):
    author = models.ForeignKey(User, on_delete=models.CASCADE)
    {fields}
"""
NEW_IMPORT = "from uploads.fields import PictureField\n"
NEW_FIELD = '    picture = PictureField(presets=["thumb", "large"], null=True)\n'


class PeerProject(Project):
    """A project with an article, whose photo is a field of a peer."""

    def __init__(self, peer: Peer, *, python: Path, folder: Path) -> None:
        super().__init__(TEMPLATE, python=python, folder=folder, PEER=peer.app)
        self._peer = peer
        (folder / "before.html").write_text(peer.page)
        self._write_models("", "")

    def add_picture_field(self) -> None:
        """Add the new field to the model, as the documentation says."""
        self._write_models(NEW_IMPORT, NEW_FIELD)

    def _write_models(self, new_import: str, new_field: str) -> None:
        text = MODELS.format(imports=self._peer.imports, fields=self._peer.fields)
        imports, model = text.split("\n\n", 1)
        (self.folder / "blog" / "models.py").write_text(f"{imports}\n{new_import}\n{model}{new_field}")
