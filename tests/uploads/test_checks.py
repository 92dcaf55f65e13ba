"""System checks: what is warned of."""

from io import StringIO

import pytest
from django.contrib.staticfiles import finders
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError


def found(*, at_deployment: bool) -> set[str | None]:
    return {message.id for message in run_checks(include_deployment_checks=at_deployment)}


@pytest.mark.usefixtures("private_addresses")
def test_private_addresses_are_warned_of_at_a_deployment_alone() -> None:
    assert "darkroom.W001" in found(at_deployment=True)
    assert "darkroom.W001" not in found(at_deployment=False)


@pytest.mark.usefixtures("private_addresses")
def test_the_warning_fails_a_deployments_check() -> None:
    with pytest.raises(SystemCheckError, match=r"darkroom\.W001"):
        call_command("check", "--deploy", "--fail-level", "WARNING", stderr=StringIO())


def test_without_them_there_is_no_warning() -> None:
    assert "darkroom.W001" not in found(at_deployment=True)


def test_a_front_end_that_is_not_built_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "darkroom.W002" not in found(at_deployment=False)
    monkeypatch.setattr(finders, "find", lambda _path: None)
    assert "darkroom.W002" in found(at_deployment=False)
