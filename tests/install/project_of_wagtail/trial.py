"""Show an image of Wagtail before and after Darkroom has rendered it, and print what was shown, as JSON."""

import io
import json
import re

import django

django.setup()

from django.contrib.auth.models import User
from django.core.files.images import ImageFile
from django.core.management import call_command
from django.template import Context, Template
from django.test import Client
from photos.models import Photo, PhotoRendition
from PIL import Image

IMAGE = "{% load wagtailimages_tags %}{% image photo width-400 %}"
PICTURE = "{% load wagtailimages_tags %}{% picture photo format-{webp,jpeg} fill-64x64 %}"
ADMIN = "{% load wagtailimages_tags %}{% image photo max-165x165 %}"


def drawn(name):
    """Return a picture as a file."""
    output = io.BytesIO()
    Image.linear_gradient("L").resize((800, 600)).save(output, "JPEG")
    return ImageFile(io.BytesIO(output.getvalue()), name=name)


def shown(template):
    """Return what a template shows of the newest image, and the responses of its addresses."""
    html = Template(template).render(Context({"photo": Photo.objects.latest("pk")}))
    addresses = re.findall(r'src(?:set)?="([^"]+)"', html)
    answers = [Client().get(address) for address in addresses if not address.startswith("/media/")]
    return {
        "html": html,
        "answers": [(answer.status_code, answer["Content-Type"]) for answer in answers],
        "rows": PhotoRendition.objects.count(),
    }


ada = User.objects.create_user("ada")
Photo.objects.create(title="harbour", file=drawn("harbour.jpg"), uploaded_by_user=ada)
result = {"pending": shown(IMAGE)}
call_command("reprocess", "--all", "--sync", stdout=io.StringIO())
result |= {"image": shown(IMAGE), "picture": shown(PICTURE), "admin": shown(ADMIN)}
# As if the site had had this image before Darkroom.
Photo.objects.update(upload=None)
output = io.StringIO()
call_command("adopt_images", "photos.Photo.file", "--owner-field=uploaded_by_user", "--json", stdout=output)
result["adopted"] = json.loads(output.getvalue())
result["again"] = shown(IMAGE)
print(json.dumps(result))
