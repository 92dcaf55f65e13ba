"""Problems with S3 in words: settings that cannot work, and the errors of a server."""

import re
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)
from botocore.parsers import ResponseParserError

# The rules of Amazon, and the upper case and underscores of older buckets and other servers:
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_ACCESS_POINT = re.compile(r"arn:aws[\w-]*:s3[\w-]*:\S+")
# A region is a label of a host name.
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)

# Codes of credentials that newer ones can replace. S3 answers a HEAD request with an expired token with 400,
# and without a code.
OUTDATED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "TokenRefreshRequired",
        "InvalidToken",
        "InvalidAccessKeyId",
        "400",
    }
)
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403", "Forbidden", "UnauthorizedAccess"})
_RIGHTS = {
    "PutObject": ("write", "s3:PutObject"),
    "CreateMultipartUpload": ("write", "s3:PutObject"),
    "UploadPart": ("write", "s3:PutObject"),
    "CompleteMultipartUpload": ("write", "s3:PutObject"),
    "GetObject": ("read", "s3:GetObject"),
    "HeadObject": ("read", "s3:GetObject"),
    "DeleteObject": ("delete", "s3:DeleteObject"),
    "HeadBucket": ("list", "s3:ListBucket"),
    "ListObjects": ("list", "s3:ListBucket"),
    "ListObjectsV2": ("list", "s3:ListBucket"),
}
_EXPIRED = (
    "The credentials of S3 have expired or were replaced. Darkroom reads those of a role or a file again. "
    "If they are in the environment, set new ones and restart every process."
)
_OTHER_REGION = "The bucket {bucket!r} is in another region. Set AWS_DEFAULT_REGION to it."
_NO_BUCKET = "{server} has no bucket {bucket!r}. Create it, or check S3_BUCKET and AWS_S3_ENDPOINT_URL."
_BUSY = "{server} asks for fewer requests ({code}). Darkroom tries again by itself."
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
_SENTENCES = {
    **dict.fromkeys(OUTDATED, _EXPIRED),
    **dict.fromkeys(("SlowDown", "503", "ServiceUnavailable", "Throttling", "TooManyRequests"), _BUSY),
    **dict.fromkeys(
        ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"),
        _OTHER_REGION,
    ),
    "InvalidAccessKeyId": "{server} does not know the access key. Check AWS_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": "{server} rejects the signature. "
    "Check AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION.",
    "RequestTimeTooSkewed": "The clock of this machine and that of {server} differ by more than 15 minutes. "
    "Set the clock, for example by NTP.",
    "NoSuchBucket": _NO_BUCKET,
    "AccessControlListNotSupported": "The bucket {bucket!r} accepts no ACL. Remove default_acl in STORAGES.",
}

# The first that fits applies.
_FAULTS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError),
        "S3 needs credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role.",
    ),
    ((SSLError,), "The certificate of {server} is not trusted. AWS_CA_BUNDLE can name a private CA."),
    (
        (HTTPClientError, NoConnection),
        "{server} does not answer. Check AWS_S3_ENDPOINT_URL and the network.",
    ),
    ((ResponseParserError,), "{server} does not speak S3. Check AWS_S3_ENDPOINT_URL."),
    ((BotoCoreError,), "The request to {server} failed:"),
)


def misconfigured(
    *, bucket: str, prefix: str, endpoint: str, region: str, access_key: str, secret_key: str
) -> list[str]:
    """Return a sentence for each setting that cannot work with any server."""
    found = []
    if not (_BUCKET.fullmatch(bucket) or _ACCESS_POINT.fullmatch(bucket)):
        found.append(
            f"S3_BUCKET is {bucket!r}; it must be only the name of a bucket. "
            "S3_PREFIX can name a folder in it."
        )
    if prefix and not {"", ".", ".."}.isdisjoint(prefix.split("/")):
        found.append(f"S3_PREFIX is {prefix!r}; it must be such as photos or photos/2026.")
    if endpoint and not _is_web_address(endpoint):
        found.append(
            f"AWS_S3_ENDPOINT_URL is {endpoint!r}; it must begin with https:// or http:// and name a host."
        )
    if region and not _REGION.fullmatch(region):
        found.append(f"AWS_DEFAULT_REGION (or AWS_REGION) is {region!r}; it must be such as eu-central-1.")
    if bool(access_key) != bool(secret_key):
        found.append(
            "Set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or neither to use boto3's others."
        )
    return found


def explain(error: Exception, *, bucket: str, endpoint: str) -> str:
    """Return why a call failed, and what an operator can do."""
    server = endpoint or "Amazon S3"
    if isinstance(error, ClientError):
        return _answer(error, bucket=bucket, server=server)
    found = next((words for types, words in _FAULTS if isinstance(error, types)), "The storage failed:")
    return f"{found.format(server=server)} {error}"


def code_of(error: Exception) -> str:
    """Return the code of a server's answer, or "" for another error; a HEAD request has only a status."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_denied(error: Exception) -> bool:
    """Return whether a server refuses a request for lack of permission."""
    return code_of(error) in _DENIED


def _answer(error: ClientError, *, bucket: str, server: str) -> str:
    code, operation = code_of(error), error.operation_name
    if (code, operation) == ("404", "HeadBucket"):
        return f"{_NO_BUCKET.format(bucket=bucket, server=server)} {error}"
    if code in _DENIED and operation in _RIGHTS:
        verb, right = _RIGHTS[operation]
        return f"The credentials may not {verb} in the bucket {bucket!r}. Allow {right}. {error}"
    if code in _SENTENCES:
        return f"{_SENTENCES[code].format(bucket=bucket, server=server, code=code)} {error}"
    return f"The storage failed: {error}"


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
