"""The site: a file in the storage is read by its public URL, as a browser reads a rendition."""

import json
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError, SSLError

from processing.conf import darkroom
from processing.storages.media import FileMissing, StorageUnavailable
from uploads.monitoring.doctor.storage import written_probe
from uploads.serving import delivery, probes

_TIME = Timeout(connect=5, read=15)
# Proxies and CDNs must pass on these headers unchanged.
_HEADERS = {
    "Content-Type": "image/png",
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
}
_WORDS: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "refuses the host. Add {host} to ALLOWED_HOSTS, and let the proxy pass on Host.",
    HTTPStatus.UNAUTHORIZED: "asks for a password, so visitors cannot see public images.",
    HTTPStatus.FORBIDDEN: "denies access, so visitors cannot see public images.",
    HTTPStatus.BAD_GATEWAY: "comes from a proxy that does not reach the web server.",
    HTTPStatus.GATEWAY_TIMEOUT: "comes from a proxy that gets no answer from the web server.",
}
# By the `code` of a problem.
_PROBLEMS = {
    "not_found": "comes from a web server with another SECRET_KEY or another clock than this command has.",
    "rendition_missing": "comes from a web server with another storage than this command has.",
    "storage_unavailable": "comes from a web server to which the storage is unavailable.",
    "database_unavailable": "comes from a web server to which the database is unavailable.",
}


def problem() -> str:
    """Return why a visitor cannot read the site's files, or ""."""
    try:
        with written_probe() as probe:
            return _problem_at(darkroom().site_url.rstrip("/") + probes.path_of(probe))
    except (StorageUnavailable, FileMissing):
        return "The site was not asked, because the storage failed."


def _problem_at(url: str) -> str:
    try:
        with PoolManager(retries=False, timeout=_TIME) as pool:
            response = pool.request("GET", url, redirect=False, headers={"User-Agent": "Darkroom-doctor"})
    except SSLError as error:
        return f"The certificate of {_site()} is not valid: {error}"
    except HTTPError as error:
        return f"{_site()} does not answer. Start the web server, or check SITE_URL and the proxy. {error}"
    if location := response.get_redirect_location():
        return _redirected(url, location)
    if response.status != HTTPStatus.OK:
        return f"The answer {response.status} of {_site()} {_words(response)}"
    return _undelivered(response) or _changed_headers(response) or _not_purged(urlsplit(url).path)


def _undelivered(response: BaseHTTPResponse) -> str:
    """Return why the file itself did not come as `DELIVERY` says, or ""."""
    if "X-Accel-Redirect" in response.headers:
        return (
            f"{_site()} sends no files: nothing in front of the web server understands X-Accel-Redirect. Use "
            "the files of deploy/nginx, or set DELIVERY=django."
        )
    if delivery.FAILED in response.headers:
        return (
            f"The proxy of {_site()} cannot read the files, so the web server sends them. Check PROXY_GROUP, "
            "and the folder or the resolver in snippets/darkroom-files.conf."
        )
    if response.data != probes.data():
        return f"{_site()} returned other bytes than those stored. Check that SITE_URL leads to Darkroom."
    return ""


def _changed_headers(response: BaseHTTPResponse) -> str:
    return " ".join(
        f"The header {name} of {_site()} is {response.headers.get(name)!r} instead of {value!r}."
        for name, value in _HEADERS.items()
        if response.headers.get(name) != value
    )


def _not_purged(path: str) -> str:
    """Return that no nginx purges the probe, or "". Of several, at least one has it in its cache."""
    addresses = darkroom().nginx_purge_url
    with PoolManager(retries=False, timeout=_TIME) as pool:
        for address in addresses:
            try:
                response = pool.request("GET", address.rstrip("/") + path, redirect=False)
            except HTTPError as error:
                return f"{address} (NGINX_PURGE_URL) does not answer: {error}"
            # The site itself would send the probe.
            if response.status == HTTPStatus.OK and response.data != probes.data():
                return ""
    if not addresses:
        return ""
    return (
        f"No nginx of NGINX_PURGE_URL ({', '.join(addresses)}) purges its cache, so deleted pictures stay "
        "there for up to an hour. Check that deploy/nginx/darkroom-purge.conf is in use."
    )


def _site() -> str:
    return f"{darkroom().site_url} (SITE_URL)"


def _redirected(url: str, location: str) -> str:
    if location == url:
        return (
            f"{_site()} redirects to itself. The proxy must set X-Forwarded-Proto, "
            "and FORWARDED_ALLOW_IPS must contain the proxy's address."
        )
    return (
        f"{_site()} redirects to {location.partition('/renditions/')[0]}. Set SITE_URL to the final address."
    )


def _words(response: BaseHTTPResponse) -> str:
    if code := _code(response):
        return _PROBLEMS.get(code, f"has the code {code}. docs/api.md explains it.")
    host = urlsplit(darkroom().site_url).hostname
    default = "does not come from Darkroom. Check SITE_URL and the proxy."
    return _WORDS.get(response.status, default).format(host=host)


def _code(response: BaseHTTPResponse) -> str:
    """Return the code of a problem, or "" if the answer is none."""
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(response.data)["code"])
    return ""
