"""Print the old and the new picture of each article, and what its page shows, as JSON."""

import hashlib
import io
import json
import re

import django

django.setup()

from blog.models import Article
from django.test import Client
from PIL import Image, ImageOps

from processing import originals

rows = []
for article in Article.objects.select_related("picture__original"):
    with article.photo.storage.open(article.photo.name) as file:
        old = file.read()
    upload = article.picture
    new = originals.read(upload.original)
    page = Client().get(f"/articles/{article.pk}/?page=after").content.decode()
    answer = Client().get(re.search(r'<img[^>]* src="([^"]+)"', page)[1])
    shown = Image.open(io.BytesIO(b"".join(answer)))
    rows.append(
        {
            "file": article.photo.name,
            "filename": upload.filename,
            "owner": upload.owner.username,
            "author": article.author.username,
            "status": upload.status,
            "old": hashlib.sha256(old).hexdigest(),
            "new": hashlib.sha256(new).hexdigest(),
            "content_hash": upload.original.content_hash,
            "old_size": ImageOps.exif_transpose(Image.open(io.BytesIO(old))).size,
            "shown": answer.status_code,
            "shown_size": shown.size,
        }
    )
print(json.dumps(rows))
