"""The rooms of `uploads` are few, import little from each other, and are small."""

import ast
from pathlib import Path

from django.conf import settings

from tests import structure


def test_rooms_know_little_of_each_other() -> None:
    assert len(structure.arrows()) <= 55


def test_no_way_leads_back() -> None:
    assert structure.cycles(structure.arrows()) == set()


def test_a_way_back_is_found() -> None:
    around = {("a", "b"), ("b", "c"), ("c", "a")}
    assert structure.cycles({*around, ("c", "d")}) == around


def test_no_folder_is_too_large_to_take_in() -> None:
    assert structure.folders().most_common(1)[0][1] <= 17


def imported_at_run_time(path: Path) -> set[str]:
    """Return the modules that a module imports at its top level, without imports for type checkers."""
    body = ast.parse(path.read_text()).body
    return {node.module for node in body if isinstance(node, ast.ImportFrom) and node.module}


def test_what_is_installed_elsewhere_takes_the_user_model_of_its_project() -> None:
    root = Path(settings.BASE_DIR)
    modules = [path for app in ("uploads", "processing") for path in (root / app).rglob("*.py")]
    assert len(modules) > 100
    assert [path for path in modules if "django.contrib.auth.models" in imported_at_run_time(path)] == []
