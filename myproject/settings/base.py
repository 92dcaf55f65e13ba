"""Django's own settings: apps, middleware, templates, languages, database, Redis and cache."""

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from myproject.settings.environment import BASE_DIR, VAR_DIR, env, local_redis_socket
from processing.storages import access
from uploads.redis.address import Address, spelled, tls_options

DEBUG = env.bool("DEBUG", default=False)
# The public URL of the site, used for links in mail.
SITE_URL = env.str("SITE_URL", default=f"http://127.0.0.1:{env.int('PORT', default=8000)}").rstrip("/")
# The path of the site below its host, such as `/photos`; "" is none.
SUB_PATH = urlsplit(SITE_URL).path
# The URL of Flower, to which pages link for staff.
FLOWER_URL = env.str("FLOWER_URL", default="")

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
    "myproject.sub_path.requests.CookiePathMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "uploads.pages.language.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "uploads.receiving.admission.RefusalMiddleware",
    "uploads.problems.DatabaseUnavailableMiddleware",
]

ROOT_URLCONF = "myproject.urls"
ASGI_APPLICATION = "myproject.asgi.application"
WSGI_APPLICATION = "myproject.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Templates are searched in the order of INSTALLED_APPS, so ours override those of allauth and the
        # admin.
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

# The languages of pages and mail; `CONTRIBUTING.md` explains how to add one.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LANGUAGE_CODE = "en"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
# These translations override those of Django and allauth.
LOCALE_PATHS = [BASE_DIR / "uploads" / "locale"]
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Whether `DATABASE_URL` leads to a pooler in transaction mode, such as PgBouncer.
DATABASE_POOLER = env.bool("DATABASE_POOLER", default=False)
# Seconds that a statement of the web server or a worker may take on PostgreSQL, and those of them that it may
# wait for a lock (`myproject.postgresql.time_limits`); 0 is no limit.
STATEMENT_TIMEOUT = env.float("STATEMENT_TIMEOUT", default=30)
LOCK_TIMEOUT = env.float("LOCK_TIMEOUT", default=10)
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{quote(str(VAR_DIR / 'db.sqlite3'))}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Writers wait for the lock instead of failing, and each commit is synced to disk.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
    }
    # Earlier versions have left it open to other users. SQLite gives its other files the same mode.
    for _ending in ("", "-wal", "-shm"):
        access.close(Path(f"{DATABASES['default']['NAME']}{_ending}"))
    # Tests with threads and several processes need a database file.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    DATABASES["default"]["ENGINE"] = "myproject.postgresql"
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        # A lost network is noticed after 25 seconds: between statements, and with unconfirmed data.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 25_000,
        **DATABASES["default"].get("OPTIONS", {}),
    }
    # A pooler in transaction mode cannot keep a cursor open between transactions.
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = DATABASE_POOLER
# The connections that the requests of one web process share (`myproject.connection_pool`); 0 is no pool.
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", default=20)

REDIS_SOCKET = local_redis_socket()
EMBEDDED_REDIS_URL = Address(scheme="unix", path=str(REDIS_SOCKET)).url
# The one address for the cache, rate limits, wake-ups, and, unless they have another, broker and results.
REDIS_URL = spelled(env.str("REDIS_URL", default="") or EMBEDDED_REDIS_URL)
REDIS_CA_FILE = env.str("REDIS_CA_FILE", default="")
REDIS_KEY_PREFIX = env.str("REDIS_KEY_PREFIX", default="")
CACHES = {
    "default": {
        "BACKEND": "myproject.cache.ForgivingRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": REDIS_KEY_PREFIX,
        "OPTIONS": {
            "pool_class": "uploads.redis.connections.Pool",
            "socket_timeout": 1,
            "socket_connect_timeout": 1,
            **tls_options(REDIS_URL, REDIS_CA_FILE),
        },
    }
}
