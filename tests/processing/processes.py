"""What another process needs to work on the database, storage and broker of the tests."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
# Code of another process: how many pages of memory five large pictures fetch, once one round has.
COUNT_FAULTS = """
import resource
from PIL import Image
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        Image.new("RGB", (4000, 3000))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def environment() -> dict[str, str]:
    """Return the environment of a process that is to share this one's surroundings."""
    return {**os.environ, "DATABASE_URL": _database_url(), "DJANGO_SETTINGS_MODULE": "myproject.settings"}


def _database_url() -> str:
    """Return the address of the database that the tests run on."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
