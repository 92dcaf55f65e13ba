"""Creates many processed images directly. Runs in a process of a running system."""

import os
import random
import uuid
from datetime import timedelta
from functools import cache
from pathlib import Path

from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone
from PIL import Image

from processing import conf
from processing.models import Original, Rendition
from processing.presets import Recipe
from processing.renditions import key_of
from uploads.models import Upload

SHAPES = [(4032, 3024), (3024, 4032), (1920, 1080), (1000, 1000), (6000, 2000)]
COLORS = ["#7a3b2e", "#2e5d7a", "#3f6b3a", "#b08d3c", "#5b4a7a"]


# The transaction keeps the collector from removing originals that have no upload yet.
@transaction.atomic
def fill(*, username: str, count: int) -> None:
    """Create ready images for a person, each with one rendition in its own file."""
    owner = User.objects.get(username=username)
    preset = next(preset for preset in conf.presets() if preset.width == 640)
    recipe = Recipe(preset, "webp")
    chance = random.Random(0)
    now = timezone.now()
    originals = Original.objects.bulk_create(_original(chance) for _ in range(count))
    renditions = [_rendition(original, recipe) for original in originals]
    Rendition.objects.bulk_create(renditions)
    Upload.objects.bulk_create(
        Upload(
            owner=owner,
            original=original,
            filename=f"{number:05}.jpg",
            status=Upload.Status.READY,
            created_at=now - timedelta(minutes=number),
            thumbnails_ready_at=now,
            ready_at=now,
        )
        for number, original in enumerate(originals)
    )


@transaction.atomic
def remove(*, username: str) -> None:
    """Remove the created images, because an audit would report their missing originals."""
    originals = Original.objects.filter(uploads__owner__username=username)
    pks = list(originals.values_list("pk", flat=True))
    for key in Rendition.objects.filter(original__in=originals).values_list("key", flat=True):
        Path(default_storage.path(key)).unlink()
    Upload.objects.filter(owner__username=username).delete()
    Rendition.objects.filter(original__in=pks).delete()
    Original.objects.filter(pk__in=pks).delete()


def _original(chance: random.Random) -> Original:
    width, height = chance.choice(SHAPES)
    name = uuid.UUID(int=chance.getrandbits(128)).hex
    return Original(
        content_hash=name * 2,
        public_key=name,
        format="jpeg",
        width=width,
        height=height,
        byte_size=2_000_000,
        transparent=False,
        color=chance.choice(COLORS),
        thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
    )


def _rendition(original: Original, recipe: Recipe) -> Rendition:
    size = recipe.preset.output_size((original.width, original.height))
    picture = _picture(size, original.color)
    key = key_of(original, recipe)
    path = Path(default_storage.path(key))
    path.parent.mkdir(parents=True)
    os.link(picture, path)
    return Rendition(
        original=original,
        preset=recipe.preset.name,
        format=recipe.format,
        fingerprint="0" * 16,
        key=key,
        width=size[0],
        height=size[1],
        byte_size=picture.stat().st_size,
        digest=uuid.uuid4().hex * 2,
    )


@cache
def _picture(size: tuple[int, int], color: str) -> Path:
    """Return a file of one colour. Renditions of that colour are links to it."""
    path = Path(default_storage.path(f"pictures/{size[0]}-{size[1]}-{color.removeprefix('#')}.webp"))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)
    return path
