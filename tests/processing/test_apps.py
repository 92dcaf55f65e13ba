"""Another app with a name of Darkroom's is refused with what to do, before Django's own short error."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processing.processes import ROOT

SETTINGS = """
SECRET_KEY = "a secret of the tests"
INSTALLED_APPS = [
    "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.messages",
    "django.contrib.sessions", "django.contrib.staticfiles", *{apps!r},
]
MIDDLEWARE = ROOT_URLCONF = None
"""

pytestmark = pytest.mark.slow


def started(folder: Path, apps: list[str]) -> str:
    """Start Django with these apps, where the project's own packages come first, and return the error."""
    (folder / "project_settings.py").write_text(SETTINGS.format(apps=apps))
    answer = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        env={"PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "project_settings"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stderr


def package(folder: Path, name: str, code: str = "") -> None:
    path = folder.joinpath(*name.split("."))
    for parent in (path, *path.parents):
        if parent == folder:
            break
        parent.mkdir(parents=True, exist_ok=True)
        (parent / "__init__.py").touch()
    if code:
        (path / "apps.py").write_text(code)


@pytest.mark.parametrize("name", ["uploads", "processing"])
@pytest.mark.parametrize("order", [1, -1])
def test_app_with_the_same_label_is_refused(tmp_path: Path, name: str, order: int) -> None:
    package(tmp_path, f"shop.{name}")
    error = started(tmp_path, [f"shop.{name}", "processing", "uploads"][::order])
    assert f"The app 'shop.{name}' has the label '{name}', which is Darkroom's." in error


def test_app_with_a_label_of_its_own_is_accepted(tmp_path: Path) -> None:
    code = (
        "from django.apps import AppConfig\nclass Own(AppConfig):\n    name, label = 'shop.uploads', 'own'\n"
    )
    package(tmp_path, "shop.uploads", code)
    assert "shop.uploads" not in started(tmp_path, ["shop.uploads", "processing", "uploads"])


@pytest.mark.parametrize("name", ["uploads", "processing"])
def test_package_that_hides_darkrooms_is_refused(tmp_path: Path, name: str) -> None:
    package(tmp_path, name)
    error = started(tmp_path, ["uploads", "processing"])
    assert f"The package '{name}' that Python finds is" in error
    assert "Darkroom's. Rename it" in error


def test_missing_app_is_named(tmp_path: Path) -> None:
    assert "Add to INSTALLED_APPS: processing." in started(tmp_path, ["uploads"])
