"""Helpers for processes that share the database, storage and broker of the tests."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
# Code for another process. It counts the page faults of five large pictures, after a first round.
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
    """Return the environment for a process that shares this one's database, storage and broker."""
    return {**os.environ, "DATABASE_URL": _database_url(), "DJANGO_SETTINGS_MODULE": "myproject.settings"}


def _database_url() -> str:
    """Return the URL of the test database."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
