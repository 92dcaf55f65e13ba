"""Examples of the schema: one of each kind of body, by the name of its component."""

from typing import Any

_UPLOAD_ID = "aa437abf-004f-42d4-b6cb-3b8053c6f1d9"
_LINK_ID = "0f3c2ab4-7d1e-4f0b-9c55-2f6f6c1f4a10"
_WEBHOOK_ID = "6f1f27de-5a5c-4c2a-8d7b-0c1a3a4be0d2"
_DELIVERY_ID = "6f0a5c0e-9c3e-4c56-8a36-0f3b2f7a2d51"
_PROGRAM_ID = "1b7c6f34-9a52-4a0e-8a4f-58f6e0f6a2c7"
_SITE = "https://photos.example"
_SENT, _READY = "2026-11-22T09:16:45.896384Z", "2026-11-22T09:16:47.894116Z"
_TAKEN = "2014-09-16T14:05:12+02:00"

_RENDITION = {
    "preset": "thumb",
    "format": "webp",
    "url": f"{_SITE}/renditions/3f9c1e07a2d46b58/6857bbda576cc0f7/thumb-069a42a63aa5946a.webp",
    "width": 256,
    "height": 256,
    "byte_size": 8204,
}
_UPLOAD = {
    "id": _UPLOAD_ID,
    "status": "ready",
    "filename": "photo.jpg",
    "content_hash": "47fb9b22a091211a279ed85815ad4cc1dfd9da81b9f0e8579a7711d627d2ab28",
    "format": "jpeg",
    "width": 4640,
    "height": 3480,
    "byte_size": 3863914,
    "created_at": _SENT,
    "replaced_at": None,
    "ready_at": _READY,
    "error": None,
    "takedown": None,
    "placeholder": {"thumbhash": "XRgKFYQpeHifSYi2Z5dYZQh3RGAn", "color": "#5c5e63"},
    "metadata": {
        "camera": "Apple iPhone 6",
        "profile": "Display P3",
        "frames": 1,
        "gps": True,
        "taken_at": _TAKEN,
    },
    "taken_at": _TAKEN,
    "truncated": False,
    "focus": {"x": 0.31, "y": 0.4},
    "alt": "The harbour at dusk",
    "visibility": "unlisted",
    "duplicate": False,
    "steps": [
        {"name": name, "state": "done", "started_at": _SENT, "finished_at": _READY}
        for name in ("generate_thumbnails", "resize_image", "notify_owner")
    ],
    "renditions": [_RENDITION],
    "url": f"{_SITE}/api/uploads/{_UPLOAD_ID}/",
    "image_url": f"{_SITE}/i/{_UPLOAD_ID}/large",
}
_LINK = {"id": _LINK_ID, "preset": "large", "created_at": _SENT, "expires_at": "2026-12-01T12:00:00Z"}
_TOKEN = {
    "id": _PROGRAM_ID,
    "name": "The shop",
    "scope": "upload",
    "prefix": "9944b091",
    "created_at": _SENT,
    "expires_at": "2027-12-31T00:00:00Z",
    "last_used_at": None,
}
_WEBHOOK = {
    "id": _WEBHOOK_ID,
    "url": "https://shop.example/hook",
    "description": "The shop",
    "events": ["upload.ready", "upload.failed"],
    "enabled": True,
    "created_at": _SENT,
    "disabled_at": None,
    "disabled_reason": "",
    "failing_since": None,
    "secrets": [
        {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "created_at": _SENT, "expires_at": None}
    ],
}

EXAMPLES: dict[str, Any] = {
    "Endpoint": _WEBHOOK,
    "EndpointRequest": {"url": _WEBHOOK["url"], "events": _WEBHOOK["events"]},
    "FileRequest": {"file": "photo.jpg"},
    "MadePrivateLink": {
        **_LINK,
        "url": f"{_SITE}/i/{_UPLOAD_ID}/large?link=kX3Jm0vG3mX8qfV0w7v4Zt2nq1a",
    },
    "NewPrivateLinkRequest": {"preset": "large", "expires_at": _LINK["expires_at"]},
    "NewToken": {**_TOKEN, "key": "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"},
    "NewUploadRequest": {"file": "photo.jpg", "visibility": "unlisted"},
    "Notice": {
        "id": _DELIVERY_ID,
        "subject": "photo.jpg is ready",
        "event": "upload.ready",
        "upload": _UPLOAD_ID,
        "created_at": _READY,
        "read_at": None,
    },
    "PatchedEndpointRequest": {"enabled": False},
    "PatchedPreferencesRequest": {"email": "each"},
    "PatchedUploadRequest": {"visibility": "private", "focus": {"x": 0.31, "y": 0.4}},
    "Preferences": {"email": "digest"},
    "PrivateLink": _LINK,
    "Quota": {
        "images": {"used": 312, "limit": 100000},
        "bytes": {"used": 1288490188, "limit": 107374182400},
    },
    "ReadRequest": {"ids": [_DELIVERY_ID]},
    "Token": _TOKEN,
    "TokenRequest": {"name": _TOKEN["name"], "scope": _TOKEN["scope"], "expires_at": _TOKEN["expires_at"]},
    "Unread": {"unread": 0},
    "Upload": _UPLOAD,
    "WebhookDelivery": {
        "id": _DELIVERY_ID,
        "event": "upload.ready",
        "upload": _UPLOAD_ID,
        "state": "delivered",
        "attempts": 1,
        "created_at": _READY,
        "next_attempt_at": None,
        "delivered_at": "2026-11-22T09:16:48.201377Z",
        "failed_at": None,
        "status_code": 204,
        "duration": 0.12,
        "error": "",
    },
}

# Of the event stream, which has no component.
EVENTS = (
    "id: 42\nevent: upload.ready\n"
    'data: {"type": "upload.ready", "timestamp": "2026-11-22T09:16:47.894116+00:00", '
    f'"data": {{"id": "{_UPLOAD_ID}", "filename": "photo.jpg"}}}}\n\n'
)
# Of the parameters of paths, by the resource before them.
IDS = {
    "uploads": _UPLOAD_ID,
    "links": _LINK_ID,
    "webhooks": _WEBHOOK_ID,
    "deliveries": _DELIVERY_ID,
    "tokens": _PROGRAM_ID,
}


def example_of(component: str, component_schema: dict[str, Any]) -> Any:
    """Return the example of a component; that of a page has one row. Raises `KeyError` if there is none."""
    results = component_schema.get("properties", {}).get("results")
    if results is None:
        return EXAMPLES[component]
    row = results["items"]["$ref"].rpartition("/")[2]
    unread = {"unread": 1} if "unread" in component_schema["properties"] else {}
    return {**unread, "next": None, "previous": None, "results": [EXAMPLES[row]]}
