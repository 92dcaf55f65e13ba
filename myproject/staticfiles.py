"""Static files are named by their content, so that browsers can cache them for ever."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

from django.templatetags.static import static
from django.urls import get_script_prefix
from django.views.generic import RedirectView
from servestatic.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # servestatic is untyped
    """Rename imported script modules by their content, too."""

    support_js_module_import_aggregation = True

    def compress_files(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Compress files, and let the same users read the result as the files."""
        for name, compressed_name in super().compress_files(paths):
            if self.file_permissions_mode is not None:
                os.chmod(self.path(compressed_name), self.file_permissions_mode)
            yield name, compressed_name

    @property
    def base_url(self) -> str:
        """Return the URL of the folder below the sub-path of the current request.

        Django keeps the `STATIC_URL` of the first request, or of a time before it.
        """
        return f"{get_script_prefix()}static/"


class FaviconView(RedirectView):
    """Redirect to the icon of the site."""

    def get_redirect_url(self, *_args: Any, **_kwargs: Any) -> str:
        """Return the URL of the icon below the sub-path of the request."""
        return static("uploads/favicon.svg")
