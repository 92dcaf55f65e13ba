"""Fixtures for the tests of `processing`: originals without uploads, and recorders."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pytest
from django.core.files.base import ContentFile, File
from django.dispatch import Signal

from processing import conf, originals
from processing.errors import Refusal
from processing.images.reading.header import read_header
from processing.models import Original
from processing.signals import step_failed, step_finished, step_started
from processing.storages.local import LocalStorage
from tests.conftest import MakeImage

StoreOriginal = Callable[..., Original]


@pytest.fixture
def store_original(db: None, make_image: MakeImage) -> StoreOriginal:
    """Return a function that stores an original as an upload does, but without an upload."""

    def store(data: bytes | None = None) -> Original:
        content = make_image() if data is None else data
        content_hash = hashlib.sha256(content).hexdigest()
        header = read_header(BytesIO(content), name="photo", limits=conf.limits())
        originals.store(content_hash=content_hash, file=ContentFile(content))
        return originals.create(content_hash=content_hash, byte_size=len(content), header=header)

    return store


@pytest.fixture
def saved_keys(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that records the key of every file that is written."""
    keys: list[str] = []
    save = LocalStorage._save

    def count(self: LocalStorage, name: str, content: File[Any]) -> str:
        keys.append(name)
        return save(self, name, content)

    monkeypatch.setattr(LocalStorage, "_save", count)
    return keys


@dataclass
class News:
    """The signals of the steps: the names of steps, and the refusals of failed ones."""

    started: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    failed: list[tuple[str, Refusal]] = field(default_factory=list)


@pytest.fixture
def news() -> Iterator[News]:
    """Record the signals of the steps during the test."""
    told = News()

    def on_started(*, step: str, **kwargs: Any) -> None:
        told.started.append(step)

    def on_finished(*, step: str, **kwargs: Any) -> None:
        told.finished.append(step)

    def on_failed(*, step: str, refusal: Refusal, **kwargs: Any) -> None:
        told.failed.append((step, refusal))

    receivers: list[tuple[Signal, Callable[..., None]]] = [
        (step_started, on_started),
        (step_finished, on_finished),
        (step_failed, on_failed),
    ]
    for signal, receiver in receivers:
        signal.connect(receiver)
    yield told
    for signal, receiver in receivers:
        signal.disconnect(receiver)
