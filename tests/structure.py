"""The rooms of `uploads`, which are its packages and single modules, and the imports between them.

`python -m tests.structure` prints each room with the rooms from which it imports, the number of these arrows,
and the largest folder of code.
"""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("myproject", "uploads", "processing")
# Migrations are history and cannot move to another room.
LEFT_OUT = ("uploads.migrations", "processing.migrations")

Arrow = tuple[str, str]


def arrows(package: str = "uploads") -> set[Arrow]:
    """Return the imports between the rooms of a package: (importing room, imported room)."""
    graph = grimp.build_graph(package, cache_dir=None)
    return {
        (room(importer), room(imported))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
        if not importer.startswith(LEFT_OUT) and room(importer) != room(imported) != package
    }


def room(module: str) -> str:
    """Return the room of a module, for example `uploads.api` for `uploads.api.views`."""
    return ".".join(module.split(".")[:2])


def cycles(found: set[Arrow]) -> set[Arrow]:
    """Return the arrows that are part of a cycle."""
    reached = set(found)
    while further := {(a, d) for a, b in reached for c, d in found if b == c} - reached:
        reached |= further
    return {(a, b) for a, b in found if (b, a) in reached}


def folders() -> Counter[str]:
    """Return the number of modules in each folder of code, without `__init__.py`."""
    return Counter(str(path.parent.relative_to(ROOT)) for path in _modules())


def _modules() -> Iterator[Path]:
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            if path.name != "__init__.py" and "migrations" not in path.parts:
                yield path


def main() -> None:
    """Print the rooms and their imports."""
    found = arrows()
    for name in sorted({importer for importer, _ in found}):
        known = sorted(imported.partition(".")[2] for importer, imported in found if importer == name)
        sys.stdout.write(f"{name.partition('.')[2]} -> {', '.join(known)}\n")
    folder, count = folders().most_common(1)[0]
    sys.stdout.write(
        f"{len(found)} arrows, {len(cycles(found))} in cycles; "
        f"the largest folder is {folder} with {count} modules.\n"
    )


if __name__ == "__main__":
    main()
