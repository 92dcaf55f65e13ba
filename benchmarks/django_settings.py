"""Django's settings for its thumbnail apps: each peer's own app, a local folder, no database."""

import os

# The app under test, and the folder that it writes to.
INSTALLED_APPS = [os.environ["BENCHMARK_APP"]]
MEDIA_ROOT = os.environ["MEDIA_ROOT"]
SECRET_KEY = "of no use to anybody"
USE_TZ = True
# django-pictures wants one to be named; nothing is written to it.
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# sorl-thumbnail remembers in a file what it has made; its default is a database table.
THUMBNAIL_KVSTORE = "sorl.thumbnail.kvstores.dbm_kvstore.KVStore"
THUMBNAIL_DBM_FILE = os.path.join(MEDIA_ROOT, "sorl")
# django-imagekit's default cache is for several processes; here is one.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
