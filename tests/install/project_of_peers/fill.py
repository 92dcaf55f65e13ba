"""Save an article with each file of a folder, and print whether its page shows a thumbnail, as JSON."""

import json
import re
import sys
from pathlib import Path

import django

django.setup()

from blog.models import Article
from django.contrib.auth.models import User
from django.core.files import File
from django.core.files.storage import default_storage
from django.test import Client

author = User.objects.create_user("ada")
shown = {}
for path in sorted(Path(sys.argv[1]).iterdir()):
    with path.open("rb") as file:
        article = Article.objects.create(author=author, photo=File(file, name=path.name))
    page = Client().get(f"/articles/{article.pk}/?page=before").content.decode()
    names = [url.split("media/", 1)[1] for url in re.findall(r'src="([^"]+)"', page)]
    shown[article.pk] = bool(names) and all(default_storage.exists(name) for name in names)
print(json.dumps(shown))
