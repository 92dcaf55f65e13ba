"""The system checks of uploads and their warnings."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError


def found(*, at_deployment: bool) -> set[str | None]:
    return {message.id for message in run_checks(include_deployment_checks=at_deployment)}


@pytest.mark.usefixtures("private_addresses")
def test_private_addresses_are_refused_only_at_deployment() -> None:
    assert "darkroom.E005" not in found(at_deployment=False)
    with pytest.raises(SystemCheckError, match=r"darkroom\.E005"):
        call_command("check", "--deploy", stderr=StringIO())


def test_deployment_without_private_addresses_passes() -> None:
    assert "darkroom.E005" not in found(at_deployment=True)


def test_missing_front_end_build_causes_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "darkroom.W002" not in found(at_deployment=False)
    monkeypatch.setattr(finders, "find", lambda _path: None)
    assert "darkroom.W002" in found(at_deployment=False)


@pytest.mark.parametrize("path", ["nothing.at.all", "uploads.models.nothing", "uploads.models.uuid"])
def test_address_function_must_exist(settings: Any, path: str) -> None:
    assert "darkroom.E010" not in found(at_deployment=False)
    settings.DARKROOM = {**settings.DARKROOM, "NOTICE_ADDRESS": path}
    assert "darkroom.E010" in found(at_deployment=False)


@pytest.mark.parametrize(("age", "most"), [(0, 1), (2, 1), (1, 0), (1, 10**12)])
def test_links_that_last_for_no_time_or_for_ever_are_refused(settings: Any, age: int, most: int) -> None:
    assert "darkroom.E008" not in found(at_deployment=False)
    settings.DARKROOM = {**settings.DARKROOM, "PRIVATE_LINK_AGE": age, "PRIVATE_LINK_MAX_AGE": most}
    assert "darkroom.E008" in found(at_deployment=False)


def test_an_age_that_is_no_number_is_told_once(settings: Any) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "PRIVATE_LINK_AGE": "a week"}
    assert found(at_deployment=False) >= {"darkroom.E007"}
    assert "darkroom.E008" not in found(at_deployment=False)
