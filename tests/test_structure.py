"""The rooms of `uploads` are few, import little from each other, and are small."""

import ast
from pathlib import Path

from django.conf import settings

from tests import structure


def test_number_of_imports_between_packages_is_limited() -> None:
    assert len(structure.arrows()) <= 117


def test_packages_have_no_import_cycle() -> None:
    assert structure.cycles(structure.arrows()) == set()


def test_import_cycle_is_detected() -> None:
    around = {("a", "b"), ("b", "c"), ("c", "a")}
    assert structure.cycles({*around, ("c", "d")}) == around


def test_folders_have_a_limited_number_of_modules() -> None:
    assert structure.folders().most_common(1)[0][1] <= 18


def imported_at_run_time(path: Path) -> set[str]:
    """Return the modules that a module imports at its top level, without imports for type checkers."""
    body = ast.parse(path.read_text()).body
    return {node.module for node in body if isinstance(node, ast.ImportFrom) and node.module}


def test_reusable_apps_do_not_import_the_default_user_model() -> None:
    root = Path(settings.BASE_DIR)
    modules = [path for app in ("uploads", "processing") for path in (root / app).rglob("*.py")]
    assert len(modules) > 100
    assert [path for path in modules if "django.contrib.auth.models" in imported_at_run_time(path)] == []
