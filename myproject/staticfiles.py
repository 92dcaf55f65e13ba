"""Static files are named by their content, so that browsers can cache them for ever."""

from servestatic.storage import CompressedManifestStaticFilesStorage


class ModuleStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # servestatic is untyped
    """Rename imported script modules by their content, too."""

    support_js_module_import_aggregation = True
