"""The URLs of a project that has not included those of `uploads`."""

from typing import Any

urlpatterns: list[Any] = []
