"""Security: the secret key, the hosts, and the security headers."""

from urllib.parse import urlsplit

from myproject.settings.base import SUB_PATH
from myproject.settings.environment import env, local_secret_key
from myproject.settings.media import DARKROOM

SECRET_KEY_IS_LOCAL = not env.str("SECRET_KEY", default="")
SECRET_KEY = local_secret_key() if SECRET_KEY_IS_LOCAL else env.str("SECRET_KEY")
# Earlier keys, whose signatures stay valid; nothing new is signed with them.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
# Permanent URLs may have a host of their own, which pages then load pictures from.
MEDIA_HOST = DARKROOM.get("MEDIA_HOST", "")
_media_hosts = [host] if (host := urlsplit(MEDIA_HOST).hostname) else []
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"]), *_media_hosts]
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# Set HTTPS=1 behind TLS; `docs/deployment.md` has the full checklist for production.
HTTPS = env.bool("HTTPS", default=False)
SECURE_SSL_REDIRECT = HTTPS
SESSION_ENGINE = "myproject.accounts.sessions"
SESSION_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
# Seconds after which a session ends.
SESSION_COOKIE_AGE = env.int("SESSION_AGE", default=14 * 24 * 3600)
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_SECURE = HTTPS
if SUB_PATH:
    # Browsers also send the cookies of a site at the root of the host, whose names must differ.
    _suffix = SUB_PATH.replace("/", "_")
    SESSION_COOKIE_NAME = f"sessionid{_suffix}"
    CSRF_COOKIE_NAME = f"csrftoken{_suffix}"
    LANGUAGE_COOKIE_NAME = f"django_language{_suffix}"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
# The first part is a sub-path.
SECURE_REDIRECT_EXEMPT = [r"^(.+/)?(healthz|readyz|metrics)$"]
X_FRAME_OPTIONS = "DENY"
# Pages may load only the site's own resources and `data:` images, and nothing inline.
SECURE_CSP = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "data:", *([MEDIA_HOST] if MEDIA_HOST else [])],
    "connect-src": ["'self'"],
    "font-src": ["'self'"],
    "form-action": ["'self'"],
    "base-uri": ["'none'"],
    "frame-ancestors": ["'none'"],
}
SECURE_CONTENT_TYPE_NOSNIFF = True
