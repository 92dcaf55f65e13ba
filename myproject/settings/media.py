"""Media: the storage of originals and renditions, and the settings of Darkroom."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from myproject.settings.base import REDIS_CA_FILE, REDIS_KEY_PREFIX, REDIS_URL, SITE_URL
from myproject.settings.environment import BASE_DIR, PROXY_GROUP, VAR_DIR, env
from processing import conf
from processing.storages import access

S3_BUCKET = env.str("S3_BUCKET", default="")
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(BASE_DIR / "media")))
MEDIA_URL = "media/"
_LOCAL_MEDIA: dict[str, Any] = {
    "BACKEND": "processing.storages.local.LocalStorage",
    "OPTIONS": {"readers": PROXY_GROUP},
}
_S3_MEDIA: dict[str, Any] = {
    "BACKEND": "processing.storages.s3.S3Storage",
    "OPTIONS": {
        "bucket_name": S3_BUCKET,
        # The folder of the bucket in which all files are.
        "location": env.str("S3_PREFIX").strip("/"),
        "endpoint_url": env.str("AWS_S3_ENDPOINT_URL") or None,
        "region_name": env.str("AWS_DEFAULT_REGION") or env.str("AWS_REGION") or None,
    },
}
STORAGES = {
    "default": _S3_MEDIA if S3_BUCKET else _LOCAL_MEDIA,
    # They are no secrets, and another user may have collected them for the web server.
    "staticfiles": {
        "BACKEND": "myproject.staticfiles.ModuleStorage",
        "OPTIONS": {"file_permissions_mode": 0o644, "directory_permissions_mode": 0o755},
    },
}
if not S3_BUCKET:
    _proxy_group = access.find_group(PROXY_GROUP)
    # A folder that is not there is the storage's problem, which `/readyz` reports.
    with suppress(OSError):
        access.make(MEDIA_ROOT, group=_proxy_group)
    for _name in ("originals", "renditions"):
        access.close(MEDIA_ROOT / _name)
    if _proxy_group is not None:
        access.share(MEDIA_ROOT / "renditions", group=_proxy_group)
STATIC_URL = "static/"
SERVESTATIC_STATIC_PREFIX = "/static/"  # the same below every sub-path
STATIC_ROOT = Path(env.str("STATIC_ROOT", default=str(VAR_DIR / "static")))
if not STATIC_ROOT.is_dir():
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    STATIC_ROOT.chmod(0o755)

FILE_UPLOAD_TEMP_DIR = VAR_DIR / "incoming"
FILE_UPLOAD_TEMP_DIR.mkdir(exist_ok=True)
FILE_UPLOAD_PERMISSIONS = 0o600


_READERS: dict[type, Callable[..., Any]] = {
    int: env.int,
    float: env.float,
    bool: env.bool,
    str: env.str,
    tuple: env.list,
}

# `processing.conf` documents each setting and has its default.
DARKROOM: dict[str, Any] = {
    **{
        name: _READERS[type(default)](name, default=default)
        for name, default in conf.defaults().items()
        if name in os.environ and type(default) in _READERS
    },
    "SITE_URL": SITE_URL,
    "REDIS_URL": REDIS_URL,
    "REDIS_CA_FILE": REDIS_CA_FILE,
    "REDIS_KEY_PREFIX": REDIS_KEY_PREFIX,
    "THUMBNAILS_QUEUE": "thumbnails",
    "RENDITIONS_QUEUE": "renditions",
    "NOTIFICATIONS_QUEUE": "notifications",
    "BULK_QUEUE": "bulk",
    "TAKE_OVER_TOKENS": True,
    "NOTICE_ADDRESS": "myproject.accounts.addresses.notice_address",
    "DISK_FOLDERS": env.list("DISK_FOLDERS", default=[str(VAR_DIR)]),
    "HANDOVER_DIR": env.str("HANDOVER_DIR", default=str(VAR_DIR / "handover")),
    "ALIVE_DIR": env.str("ALIVE_DIR", default=str(VAR_DIR / "alive")),
    # `docs/presets.md` documents each field.
    "PRESETS": {
        "thumb": {"width": 256, "height": 256, "mode": "fill"},
        "small": {"width": 320},
        "medium": {"width": 640},
        "large": {"width": 1280},
        "xlarge": {"width": 1920},
    },
}
