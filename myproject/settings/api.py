"""The API: Django REST framework and its schema."""

from uploads.api import schema

REST_FRAMEWORK = {
    # Token authentication comes first, so that unauthenticated requests get a 401 with a challenge.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "uploads.tokens.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "uploads.tokens.scopes.InScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    # The schema describes the API. A response to OPTIONS could reveal too much.
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "uploads.api.problems.exception_handler",
}
SPECTACULAR_SETTINGS = {
    **schema.SETTINGS,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}
