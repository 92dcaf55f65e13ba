"""The storage: a file is written, read, listed and deleted."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.core.files.base import ContentFile

from processing.models import Rendition
from processing.storages.media import FileMissing, StorageUnavailable, call_storage, media
from uploads.serving import probes


def problem() -> str:
    """Return what is wrong with the storage, or ""."""
    try:
        call_storage(media.check)
        with written_probe() as probe:
            if _read(probe) != probes.data() or call_storage(lambda: media.size(probe.key)) != len(
                probes.data()
            ):
                return "The storage returned other bytes than those written."
            if not _is_listed(probe):
                return "The storage does not list a file that was written."
        return "The storage kept a file that was deleted." if _exists(probe) else ""
    except (StorageUnavailable, FileMissing) as error:
        return str(error)


@contextmanager
def written_probe() -> Iterator[Rendition]:
    """Write a probe, and delete it at the end.

    If the process is killed between the two, `manage.py audit` reports the file as unknown.

    Raises `StorageUnavailable` or `FileMissing`.
    """
    probe = probes.new()
    call_storage(lambda: media.save(probe.key, ContentFile(probes.data())))
    try:
        yield probe
    finally:
        call_storage(lambda: media.delete(probe.key))


def _read(probe: Rendition) -> bytes:
    with closing(call_storage(lambda: media.open(probe.key))) as file:
        data: bytes = call_storage(file.read)
    return data


def _is_listed(probe: Rendition) -> bool:
    folder, _, _name = probe.key.rpartition("/")
    return probe.key in {key for key, _ in call_storage(lambda: list(media.walk(folder)))}


def _exists(probe: Rendition) -> bool:
    try:
        call_storage(lambda: media.size(probe.key))
    except FileMissing:
        return False
    return True
