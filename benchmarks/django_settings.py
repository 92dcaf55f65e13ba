"""Django settings for the thumbnail apps: each peer's app, a local folder, no database."""

import os

# The app under test, and its output folder.
INSTALLED_APPS = [os.environ["BENCHMARK_APP"]]
MEDIA_ROOT = os.environ["MEDIA_ROOT"]
SECRET_KEY = "of no use to anybody"
USE_TZ = True
# django-pictures requires a database; nothing is written to it.
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# sorl-thumbnail stores its keys in a file; its default is a database table.
THUMBNAIL_KVSTORE = "sorl.thumbnail.kvstores.dbm_kvstore.KVStore"
THUMBNAIL_DBM_FILE = os.path.join(MEDIA_ROOT, "sorl")
# django-imagekit's default cache is for several processes; here there is one.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
