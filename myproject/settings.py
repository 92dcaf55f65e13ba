"""Settings come from the environment (`.env` is read); unset, each serves one machine.

`docs/settings.md` lists them all.
"""

import hashlib
import logging
import os
import secrets
import tempfile
from pathlib import Path
from typing import Any

import environ
from celery.schedules import crontab
from kombu import Exchange, Queue

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()
if (BASE_DIR / ".env").exists():
    environ.Env.read_env(BASE_DIR / ".env")

# Run-time state that is no media: database, secret key, mail, sockets.
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
VAR_DIR.mkdir(parents=True, exist_ok=True)


def _local_secret_key() -> str:
    """Return this machine's own secret key, made on first use."""
    path = VAR_DIR / "secret_key"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text()


def _local_redis_socket() -> Path:
    """Return where the embedded Redis listens; a socket's path may have 107 bytes at most."""
    path = VAR_DIR / "redis.sock"
    if len(os.fsencode(path)) <= 100:
        return path
    digest = hashlib.sha256(os.fsencode(VAR_DIR)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}-{digest}.sock"


# --- Django ---------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY_IS_LOCAL = not env.str("SECRET_KEY", default="")
SECRET_KEY = _local_secret_key() if SECRET_KEY_IS_LOCAL else env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Where people reach the site: addresses in mail are made from it.
SITE_URL = env.str("SITE_URL", default=f"http://127.0.0.1:{env.int('PORT', default=8000)}").rstrip("/")

INSTALLED_APPS = [
    "myproject",
    "processing",
    "uploads",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "myproject.csp.ContentSecurityPolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "uploads.pages.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]

ROOT_URLCONF = "myproject.urls"
ASGI_APPLICATION = "myproject.asgi.application"
WSGI_APPLICATION = "myproject.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Those of the apps come in the order of INSTALLED_APPS: ours before allauth's and the admin's.
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# The languages of pages and mail; `CONTRIBUTING.md` tells how to add one.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LANGUAGE_CODE = "en"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
# Before the translations that Django and allauth bring of the same words.
LOCALE_PATHS = [BASE_DIR / "uploads" / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Database: the truth --------------------------------------------------------------------

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'db.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Writers queue up instead of failing, and a commit answered for is on the disk.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # Tests in threads and in several processes need a file, as real life does.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        **DATABASES["default"].get("OPTIONS", {}),
    }

# --- Media: originals and renditions --------------------------------------------------------

S3_BUCKET = env.str("S3_BUCKET", default="")
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(BASE_DIR / "media")))
MEDIA_URL = "media/"
_LOCAL_MEDIA: dict[str, Any] = {"BACKEND": "processing.storages.local.LocalStorage"}
_S3_MEDIA: dict[str, Any] = {
    "BACKEND": "processing.storages.s3.S3Storage",
    "OPTIONS": {
        "bucket_name": S3_BUCKET,
        "endpoint_url": env.str("AWS_S3_ENDPOINT_URL", default=None),
        "region_name": env.str("AWS_DEFAULT_REGION", default=env.str("AWS_REGION", default=None)),
    },
}
STORAGES = {
    "default": _S3_MEDIA if S3_BUCKET else _LOCAL_MEDIA,
    "staticfiles": {"BACKEND": "myproject.staticfiles.ModuleStorage"},
}
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "frontend" / "dist"]
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

FILE_UPLOAD_HANDLERS = ["uploads.receiving.form.HashingUploadHandler"]
FILE_UPLOAD_TEMP_DIR = VAR_DIR / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
FILE_UPLOAD_PERMISSIONS = 0o644

# --- Darkroom -------------------------------------------------------------------------------

DARKROOM = {
    # Bytes of one original, and pixels of its one frame; a 200-megapixel phone fits.
    "MAX_UPLOAD_BYTES": env.int("MAX_UPLOAD_BYTES", default=50 * 1024 * 1024),
    "MAX_PIXELS": env.int("MAX_PIXELS", default=210_000_000),
    # Pixels of its longer side, which is as long as a JPEG's can be.
    "MAX_SIDE": env.int("MAX_SIDE", default=65_535),
    # Pixels of all frames of an animation together, and their number; what is beyond is left out.
    "MAX_ANIMATION_PIXELS": env.int("MAX_ANIMATION_PIXELS", default=150_000_000),
    "MAX_FRAMES": env.int("MAX_FRAMES", default=3000),
    # Bytes of its colour profile, and of all else beside the pixels, uncompressed.
    "MAX_PROFILE_BYTES": env.int("MAX_PROFILE_BYTES", default=4 * 1024**2),
    "MAX_TEXT_BYTES": env.int("MAX_TEXT_BYTES", default=16 * 1024**2),
    # Of "tiff" and "bmp", those that are taken too.
    "EXTRA_FORMATS": env.list("EXTRA_FORMATS", default=[]),
    # Threads that encode the renditions of one original; they help while a core is idle.
    "ENCODER_THREADS": env.int("ENCODER_THREADS", default=2),
    # Where the first step leaves what it has decoded for the second, and how many bytes may lie
    # there; 0 turns it off.
    "HANDOVER_DIR": env.str("HANDOVER_DIR", default=str(VAR_DIR / "handover")),
    "HANDOVER_BYTES": env.int("HANDOVER_BYTES", default=512 * 1024**2),
    # Bytes of address space that a process which decodes may have.
    "WORKER_MEMORY": env.int("WORKER_MEMORY", default=4 * 1024**3),
    # Seconds a step may take before its worker is ended, and how often a crash or a
    # failing storage is tried again before the upload has failed.
    "STEP_TIME_LIMIT": env.int("STEP_TIME_LIMIT", default=120),
    "MAX_CRASHES": env.int("MAX_CRASHES", default=3),
    "MAX_ATTEMPTS": env.int("MAX_ATTEMPTS", default=20),
    # Of one person's uploads, how many are in the queues at once; the others wait in the database.
    "UPLOADS_AT_ONCE": env.int("UPLOADS_AT_ONCE", default=16),
    # Seconds of silence after which a request's body is given up, and bytes a second that it comes at.
    "BODY_TIMEOUT": env.int("BODY_TIMEOUT", default=30),
    "BODY_RATE": env.int("BODY_RATE", default=1000),
    # How many images may be sent in a time, such as "100/minute;5000/hour"; "" is no limit.
    "UPLOADS_PER_PERSON": env.str("UPLOADS_PER_PERSON", default="5000/hour"),
    "UPLOADS_PER_ADDRESS": env.str("UPLOADS_PER_ADDRESS", default="20000/hour"),
    # How many images, and bytes of originals, a person may keep; 0 is no limit.
    "QUOTA_IMAGES": env.int("QUOTA_IMAGES", default=100_000),
    "QUOTA_BYTES": env.int("QUOTA_BYTES", default=100 * 1024**3),
    # Seconds for which a worker that is told to stop goes on with what it has in hand.
    "STOP_TIME": env.int("STOP_TIME", default=10),
    # Seconds between a deletion and the removal of the files.
    "DELETE_GRACE": env.int("DELETE_GRACE", default=30),
    "SIGNED_LINK_MAX_AGE": env.int("SIGNED_LINK_MAX_AGE", default=7 * 24 * 3600),
    # Whether webhooks may go to loopback, private and other addresses of the own network.
    "WEBHOOK_PRIVATE_ADDRESSES": env.bool("WEBHOOK_PRIVATE_ADDRESSES", default=False),
    # `docs/presets.md` tells what each field does.
    "PRESETS": {
        "thumb": {"width": 256, "height": 256, "mode": "fill"},
        "small": {"width": 320},
        "medium": {"width": 640},
        "large": {"width": 1280},
        "xlarge": {"width": 1920},
    },
}

# --- Celery: hints on their way -------------------------------------------------------------

REDIS_SOCKET = _local_redis_socket()
REDIS_URL = env.str("REDIS_URL", default="") or f"unix://{REDIS_SOCKET}"


def _kombu_url(url: str) -> str:
    """Return a Redis address as kombu spells it: `unix://` is `redis+socket://` there."""
    return url.replace("unix://", "redis+socket://", 1)


CELERY_BROKER_URL = _kombu_url(env.str("CELERY_BROKER_URL", default="") or REDIS_URL)
BROKER_IS_REDIS = CELERY_BROKER_URL.startswith("redis")
CELERY_RESULT_BACKEND = _kombu_url(env.str("CELERY_RESULT_BACKEND", default="") or REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_EXPIRES = 3600
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TIMEZONE = TIME_ZONE


def _queue(name: str) -> Queue:
    """Return a queue as the broker keeps it best: on RabbitMQ it outlives a node."""
    if BROKER_IS_REDIS:
        return Queue(name, Exchange(name), routing_key=name)
    # Celery delays a retry in the broker only behind a topic exchange; behind a direct one the
    # message would fill a worker's hand until its time has come.
    exchange = Exchange("darkroom", type="topic")
    return Queue(name, exchange, routing_key=name, queue_arguments={"x-queue-type": "quorum"})


# A quorum queue without its majority confirms nothing: whoever publishes waits a second for it.
_PUBLISHING: dict[str, Any] = {} if BROKER_IS_REDIS else {"confirm_timeout": 1}

# One queue a purpose, so that what a person waits for goes first.
CELERY_TASK_DEFAULT_QUEUE = "notifications"
CELERY_TASK_QUEUES = [
    _queue(name) for name in ("thumbnails", "renditions", "notifications", "bulk", "maintenance")
]
CELERY_TASK_ROUTES = {
    "processing.tasks.generate_thumbnails": {"queue": "thumbnails", **_PUBLISHING},
    "processing.tasks.resize_image": {"queue": "renditions", **_PUBLISHING},
    "uploads.recurring.*": {"queue": "maintenance", **_PUBLISHING},
    "*": {"queue": CELERY_TASK_DEFAULT_QUEUE, **_PUBLISHING},
}
CELERY_TASK_TIME_LIMIT = DARKROOM["STEP_TIME_LIMIT"]

# A message is a hint: publishing is bounded to a second or two, for the sweeper publishes again what
# the database says is unfinished. A connection to RabbitMQ may have died since it was last used, and
# kombu opens another one only where it may try again, once and at once; that to Redis mends itself.
CELERY_TASK_PUBLISH_RETRY = not BROKER_IS_REDIS
CELERY_TASK_PUBLISH_RETRY_POLICY = {
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BROKER_POOL_LIMIT = 10
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Workers and beat wait for the broker for as long as it takes; by default they end after an hour.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"socket_timeout": 1, "socket_connect_timeout": 1, "max_retries": 0, "visibility_timeout": 3600}
    if BROKER_IS_REDIS
    else {"max_retries": 0, "confirm_publish": True}
)
CELERY_REDIS_SOCKET_TIMEOUT = 5.0
CELERY_REDIS_SOCKET_CONNECT_TIMEOUT = 1.0

# A worker takes a message when it has a free hand, so none waits behind a slow one.
CELERY_WORKER_DISABLE_PREFETCH = BROKER_IS_REDIS
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = True
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 600_000  # KiB, then the child is replaced after its task
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "uploads.recurring.sweep", "schedule": 5.0, "options": {"expires": 15}},
    "collect": {"task": "uploads.recurring.collect", "schedule": 10.0, "options": {"expires": 30}},
    # At an hour of the day: a beat that is started anew every day would never have waited for one.
    "remove-strays": {"task": "uploads.recurring.remove_strays", "schedule": crontab(hour="4", minute="10")},
    "recount-quotas": {
        "task": "uploads.recurring.recount_quotas",
        "schedule": crontab(hour="4", minute="20"),
    },
    "clear-sessions": {"task": "uploads.recurring.clear_sessions", "schedule": 24 * 3600.0},
}

# Whoever sends it may read `/metrics`; unset, those on this machine may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
FLOWER_URL = env.str("FLOWER_URL", default="")

CACHES = {
    "default": {
        "BACKEND": "myproject.cache.ForgivingRedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}

# --- People ---------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
    "sesame.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_ADAPTER = "myproject.accounts.AccountAdapter"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_PREVENT_ENUMERATION = True
SESAME_MAX_AGE = 24 * 3600
CSRF_FAILURE_VIEW = "uploads.api.problems.csrf_failure"

# --- Mail -----------------------------------------------------------------------------------

EMAIL_URL = env.str("EMAIL_URL", default="")
if EMAIL_URL:
    vars().update(env.email_url("EMAIL_URL"))
    EMAIL_TIMEOUT = 10
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = VAR_DIR / "mail"
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Darkroom <darkroom@localhost>")

# --- API ------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    # The token first: it makes an unauthenticated answer a 401 with a challenge.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # The schema describes the API. An answer to OPTIONS would be one more that could tell too much.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "uploads.api.problems.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Darkroom",
    "DESCRIPTION": "Upload images, fetch their renditions.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "uploads.api.schema.add_problems",
    ],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- Security -------------------------------------------------------------------------------

# Set HTTPS=1 behind TLS; `docs/deployment.md` has the whole production list.
HTTPS = env.bool("HTTPS", default=False)
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
X_FRAME_OPTIONS = "DENY"
# Everything comes from the site itself, and nothing stands inline.
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "connect-src": ["'self'"],
    "font-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
SECURE_CONTENT_TYPE_NOSNIFF = True

# --- Logs -----------------------------------------------------------------------------------

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    # What asks whether the system is ready yet is no error while it is not.
    "filters": {
        "readiness": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: "/readyz" not in record.getMessage(),
        },
        # What beat starts every few seconds is told of only when it goes wrong.
        "recurring": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: (
                record.levelno > logging.INFO or "uploads.upkeep.recurring" not in record.getMessage()
            ),
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "botocore": {"level": "WARNING"},
        "celery.app.trace": {"filters": ["recurring"]},
        "celery.beat": {"filters": ["recurring"]},
        # Its finer lines hold the arguments of tasks, and so the links in mail.
        "celery.pool": {"level": "INFO"},
        "celery.worker.strategy": {"level": "WARNING"},
        "django.request": {"filters": ["readiness"]},
    },
}
