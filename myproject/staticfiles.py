"""How static files are named: by their content, so that a browser may keep each for ever."""

from servestatic.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # servestatic is untyped
    """Name also what a script imports by its content."""

    support_js_module_import_aggregation = True
