"""An empty bucket on a real S3 server, behind a proxy that can break its connections."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.faults.proxy import Proxy, proxy_to
from tests.storage.servers import ACCESS_KEY, SECRET_KEY, rclone_server


@contextmanager
def bucket_in(folder: Path) -> Iterator[Proxy]:
    """Serve a bucket whose objects are in this folder, and return the proxy to its server."""
    (folder / "buckets" / "media").mkdir(parents=True)
    with rclone_server(folder / "buckets") as url, proxy_to(urlsplit(url).port or 0) as proxy:
        yield proxy


def settings_of(proxy: Proxy) -> dict[str, str]:
    """Return the variables of a site that stores its files in the bucket."""
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_S3_ENDPOINT_URL": proxy.url,
        "S3_BUCKET": "media",
    }
