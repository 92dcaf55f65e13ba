"""Help for the tests of projects that use Darkroom."""

from uploads.testing.images import tiny_file, tiny_image
from uploads.testing.rendering import fake_rendering, render, rendered_at_once
from uploads.testing.storage import media_in_memory
from uploads.testing.waiting import UploadFailed, wait_until_ready

__all__ = [
    "UploadFailed",
    "fake_rendering",
    "media_in_memory",
    "render",
    "rendered_at_once",
    "tiny_file",
    "tiny_image",
    "wait_until_ready",
]
