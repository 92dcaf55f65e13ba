"""A site with Wagtail shows renditions that Darkroom has made ahead, as docs/wagtail.md describes."""

from pathlib import Path

import pytest

from tests.install.project import Project, make_environment

pytestmark = pytest.mark.install

TEMPLATE = Path(__file__).with_name("project_of_wagtail")


def test_renditions_of_presets_come_from_darkroom(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "environment", ["wagtail==8.0.1"])
    project = Project(TEMPLATE, python=python, folder=tmp_path / "project")
    project.migrate("photos")
    shown = project.json("trial.py")
    # Until it is rendered, there is a placeholder of the right size, and the request renders nothing.
    assert shown["pending"]["answers"] == [[202, "image/png"]]
    assert 'height="300"' in shown["pending"]["html"]
    assert shown["image"]["answers"] == [[200, "image/jpeg"]]
    assert shown["picture"]["answers"] == [[200, "image/webp"], [200, "image/jpeg"]]
    assert shown["picture"]["rows"] == 0
    # A filter without a preset is rendered by Wagtail, in the request.
    assert shown["admin"]["rows"] == 1
    # An image that the site had before Darkroom is adopted.
    assert (shown["adopted"]["adopted"], shown["adopted"]["failed"]) == (1, [])
    assert shown["again"]["html"] == shown["image"]["html"]
