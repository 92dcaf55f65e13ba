"""The settings of a project with a thumbnail library, to which Darkroom is added."""

import os
from pathlib import Path

from celery import Celery

BASE_DIR = Path(__file__).resolve().parent
SECRET_KEY = "a secret of the tests, long enough to be taken for a real one by every check"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = [
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
    "blog",
    os.environ["PEER"],
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
        "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STATIC_URL = "static/"
MEDIA_ROOT = BASE_DIR / "media"
MEDIA_URL = "media/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# django-pictures chooses Celery by itself if it is installed.
PICTURES = {"PROCESSOR": "pictures.tasks._process_picture", "USE_PLACEHOLDERS": False}
DARKROOM = {
    "PRESETS": {"thumb": {"width": 64, "height": 64, "mode": "fill"}, "large": {"width": 400}},
    "DISK_FREE_BYTES": 0,
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
CELERY_BROKER_URL = "memory://"
app = Celery("project")
app.config_from_object("django.conf:settings", namespace="CELERY")
