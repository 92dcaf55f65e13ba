"""Darkroom works below any path at which a project includes it."""

from types import ModuleType
from typing import Any

import pytest
from django.test import Client
from django.urls import include, path, set_script_prefix

from uploads.models import Upload
from uploads.place import below, prefix
from uploads.receiving import body_guard

EMPTY, PROJECT = ModuleType("empty"), ModuleType("project")
vars(EMPTY)["urlpatterns"] = []
vars(PROJECT)["urlpatterns"] = [path("media/photos/", include("uploads.urls", namespace="pictures"))]


@pytest.fixture
def elsewhere(settings: Any) -> None:
    """Include Darkroom below a path, under a namespace of the project."""
    settings.ROOT_URLCONF = PROJECT


def test_root_has_no_prefix() -> None:
    assert prefix() == ""
    assert below("/api/uploads/") == "/api/uploads/"


@pytest.mark.usefixtures("elsewhere")
def test_only_paths_below_the_include_are_darkrooms() -> None:
    assert prefix() == "/media/photos"
    assert below("/media/photos/") == "/"
    assert below("/media/photos/api/uploads/") == "/api/uploads/"
    assert below("/api/uploads/") == below("/media/photosapi/") == ""


@pytest.mark.usefixtures("elsewhere")
def test_sub_path_of_the_site_is_no_part_of_it() -> None:
    set_script_prefix("/site/")
    try:
        assert prefix() == "/media/photos"
    finally:
        set_script_prefix("/")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("address", "guarded"),
    [("/media/photos/api/uploads/", True), ("/media/photos/", True), ("/api/uploads/", False), ("/", False)],
)
def test_body_guard_finds_the_paths_that_receive_images(address: str, guarded: bool) -> None:
    scope = {"method": "POST", "path": f"/site{address}", "root_path": "/site"}
    assert body_guard._brings_images(scope) is guarded


@pytest.mark.usefixtures("elsewhere")
def test_project_without_an_include_has_no_prefix(settings: Any) -> None:
    settings.ROOT_URLCONF = EMPTY
    assert prefix() == ""


@pytest.mark.django_db
@pytest.mark.usefixtures("elsewhere")
def test_errors_below_the_api_are_problems_for_browsers_too(client: Client) -> None:
    answer = client.get("/media/photos/api/uploads/", headers={"Accept": "text/html"})
    assert answer.status_code in {401, 406}
    assert not Upload.objects.exists()
