"""Build what git does not contain, before a wheel or sdist is made: the scripts of npm and the catalogues.

An sdist contains both, so a wheel is built from it without npm.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SCRIPTS = ("htmx.js", "thumbhash.js", "uppy.js")


class BuildHook(BuildHookInterface):  # type: ignore[misc]  # hatchling is no dependency of the site
    """Compile the catalogues, and bundle the scripts unless they are there."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the files; end the build if the scripts cannot be bundled."""
        root = Path(self.root)
        compile_catalogues(root)
        if missing_scripts(root):
            bundle_scripts(root)


def compile_catalogues(root: Path) -> None:
    """Compile each catalogue beside its source, unless the compiled file is at least as new."""
    for path in root.glob("uploads/locale/*/LC_MESSAGES/django.po"):
        compiled = path.with_suffix(".mo")
        if not compiled.is_file() or compiled.stat().st_mtime < path.stat().st_mtime:
            with path.open("rb") as source, compiled.open("wb") as target:
                write_mo(target, read_po(source, locale=path.parent.parent.name))


def missing_scripts(root: Path) -> list[str]:
    """Return the names of the bundled scripts that are not there."""
    folder = root / "uploads" / "static" / "uploads" / "vendor"
    return [name for name in SCRIPTS if not (folder / name).is_file()]


def bundle_scripts(root: Path) -> None:
    """Run npm, which only a clone can do."""
    installer = root / "deploy" / "npm.sh"
    if installer.is_file():
        subprocess.run([installer, "frontend"], cwd=root, check=False)
    if missing := missing_scripts(root):
        sys.exit(f"The scripts {', '.join(missing)} are not bundled. Run `make dist`, which installs npm.")
