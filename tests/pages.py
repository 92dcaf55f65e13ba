"""Helpers for tests of pages: rows as the pipeline creates them, and the messages of an answer."""

import io
import re
import uuid
from typing import Any, cast

from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from PIL import Image

from processing.models import Original, Rendition
from uploads.models import Upload


def image_file(name: str = "sea.png", color: str = "teal") -> SimpleUploadedFile:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), color).save(buffer, "PNG")
    return SimpleUploadedFile(name, buffer.getvalue(), "image/png")


def make_upload(
    owner: User,
    *,
    filename: str = "sea.png",
    status: str = "pending",
    size: tuple[int, int] = (40, 30),
    **fields: Any,
) -> Upload:
    key = uuid.uuid4().hex
    original = Original.objects.create(
        content_hash=key * 2,
        public_key=key,
        format="png",
        width=size[0],
        height=size[1],
        byte_size=9999,
        color="#123456",
    )
    return Upload.objects.create(owner=owner, original=original, filename=filename, status=status, **fields)


def make_rendition(
    upload: Upload, *, preset: str, width: int, format: str = "webp", **fields: Any
) -> Rendition:
    public_key = upload.original.public_key
    return Rendition.objects.create(
        original=upload.original,
        preset=preset,
        format=format,
        fingerprint="0" * 16,
        key=f"renditions/{public_key[:2]}/{public_key}/{preset}-{'0' * 16}.{format}",
        width=width,
        height=width,
        byte_size=1234,
        digest="0" * 64,
        **fields,
    )


def told(answer: Any) -> list[str]:
    """Return the messages to the user in an answer."""
    return [str(message) for message in get_messages(answer.wsgi_request)]


def in_one_line(answer: HttpResponseBase) -> str:
    """Return a page with each tag on one line and single spaces between attributes."""
    return re.sub(r"\s+", " ", cast("HttpResponse", answer).content.decode()).replace(" >", ">")
