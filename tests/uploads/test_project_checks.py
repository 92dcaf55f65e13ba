"""The system checks of what a project has to set up."""

from datetime import timedelta
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from celery import current_app
from django.core.checks import CheckMessage, run_checks
from kombu import Queue

from processing import clock
from processing.images.reading import formats
from tests.conftest import Send
from uploads import project_checks
from uploads.models import Heartbeat


def found(**options: Any) -> dict[str | None, CheckMessage]:
    return {message.id: message for message in run_checks(**options)}


def test_site_of_this_repository_has_everything() -> None:
    assert {id for id in found() if id and id.startswith("darkroom.")} == set()


def test_missing_include_is_an_error(settings: Any) -> None:
    settings.ROOT_URLCONF = empty = ModuleType("empty")
    vars(empty)["urlpatterns"] = []
    assert 'include("uploads.urls")' in str(found()["darkroom.E034"].hint)


def test_sign_in_page_that_is_missing_is_reported(settings: Any) -> None:
    settings.LOGIN_URL = "/nothing/at/all"
    assert "LOGIN_URL" in found()["darkroom.W006"].msg


@pytest.mark.parametrize("setting", ["MIDDLEWARE", "TEMPLATES"])
def test_pages_without_their_user_are_reported(settings: Any, setting: str) -> None:
    setattr(settings, setting, [])
    assert "essage" in project_checks.check_pages()[0].msg


def test_project_without_a_celery_app_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_checks, "current_app", SimpleNamespace(main="default"))
    assert "celery.py" in str(found()["darkroom.W008"].hint)


def test_queue_that_no_worker_consumes_is_an_error(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DARKROOM = {**settings.DARKROOM, "BULK_QUEUE": "elsewhere"}
    assert "'BULK_QUEUE'" in found()["darkroom.E035"].msg
    queues = [*current_app.conf.task_queues, Queue("elsewhere")]
    app = SimpleNamespace(main="shop", conf=SimpleNamespace(task_queues=queues))
    monkeypatch.setattr(project_checks, "current_app", app)
    assert "darkroom.E035" not in found()


@pytest.mark.django_db
def test_silent_beat_is_reported_once_there_are_uploads(send: Send) -> None:
    send()
    assert "darkroom.W009" not in found()
    assert "celery beat" in str(found(databases=["default"])["darkroom.W009"].hint)
    beat = Heartbeat.objects.create(name="sweep", at=clock.now())
    assert "darkroom.W009" not in found(databases=["default"])
    Heartbeat.objects.filter(pk=beat.pk).update(at=clock.now() - timedelta(days=2))
    assert "darkroom.W009" in found(databases=["default"])


@pytest.mark.django_db
def test_beat_of_a_new_project_is_not_reported() -> None:
    assert "darkroom.W009" not in found(databases=["default"])


def test_schema_of_django_rest_framework_is_an_error(settings: Any) -> None:
    settings.REST_FRAMEWORK = {}
    assert "DEFAULT_SCHEMA_CLASS" in str(found()["darkroom.E036"].hint)


def test_missing_extras_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_checks, "missing_apps", lambda: ["rest_framework"])
    monkeypatch.setattr(formats, "INSTALLED", ("JPEG",))
    messages = found()
    assert "django-darkroom[api]" in str(messages["darkroom.I001"].hint)
    assert "django-darkroom[heif]" in str(messages["darkroom.I002"].hint)
