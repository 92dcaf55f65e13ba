"""The environment from which the settings are read, and the folders of this machine."""

import hashlib
import os
import secrets
import tempfile
from pathlib import Path

from myproject.settings.variables import Variables
from processing.storages import access

BASE_DIR = Path(__file__).resolve().parents[2]
# Tools that start a system of their own name an empty file.
env = Variables(Path(os.environ.get("ENV_FILE") or BASE_DIR / ".env"))

# Run-time state other than media: database, secret key, mail, sockets.
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var"))).resolve()
# Other users of the machine may read nothing that the site writes. The group of a proxy may read static files
# and renditions.
PROXY_GROUP = env.str("PROXY_GROUP", default="")
# Earlier versions have left these open. A folder elsewhere may hold files of other programs.
if VAR_DIR == BASE_DIR / "var":
    access.close(VAR_DIR)
access.close(VAR_DIR / "mail")
access.make(VAR_DIR, group=access.find_group(PROXY_GROUP))
os.umask(0o077)


def local_secret_key() -> str:
    """Return this machine's secret key, which is created on first use."""
    path = VAR_DIR / "secret_key"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
    return path.read_text()


def local_redis_socket() -> Path:
    """Return the socket of the embedded Redis; its path is limited to 107 bytes, and is part of a URL."""
    path = VAR_DIR / "redis.sock"
    if len(os.fsencode(path)) <= 100 and not set("#%?").intersection(str(path)):
        return path
    digest = hashlib.sha256(os.fsencode(VAR_DIR)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"darkroom-{os.getuid()}-{digest}.sock"
