"""The settings of a site with Wagtail, to which Darkroom is added."""

from pathlib import Path

from celery import Celery

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "a secret of the tests, long enough to be taken for a real one by every check"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
    "photos",
    "wagtail.images",
    "wagtail.users",
    "wagtail.admin",
    "wagtail.search",
    "wagtail.documents",
    "wagtail",
    "modelcluster",
    "taggit",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "processing",
    "uploads",
]
ROOT_URLCONF = "urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "static/"
MEDIA_ROOT = BASE_DIR / "media"
MEDIA_URL = "/media/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WAGTAIL_SITE_NAME = "A site"
WAGTAILADMIN_BASE_URL = "http://127.0.0.1"
WAGTAILIMAGES_IMAGE_MODEL = "photos.Photo"
DARKROOM = {
    "PRESETS": {"thumb": {"width": 64, "height": 64, "mode": "fill"}, "large": {"width": 400}},
    "DISK_FREE_BYTES": 0,
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
CELERY_BROKER_URL = "memory://"
app = Celery("site")
app.config_from_object("django.conf:settings", namespace="CELERY")
