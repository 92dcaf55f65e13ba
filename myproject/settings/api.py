"""The API: its schema, as `manage.py spectacular` writes it.

The views of `uploads.api` have their other settings of Django REST framework themselves.
"""

from uploads.api.openapi import schema

REST_FRAMEWORK = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}
SPECTACULAR_SETTINGS = schema.SETTINGS
