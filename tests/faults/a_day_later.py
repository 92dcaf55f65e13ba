"""Let a day pass for what killed processes have left. It runs in the site's environment."""

from django.utils import timezone

from processing.models import PendingFile
from processing.storages.media import media


def main() -> None:
    """Make pending files due, which the collector then removes, and remove partial files."""
    PendingFile.objects.update(due_at=timezone.now())
    media.remove_incomplete(seconds=0)


if __name__ == "__main__":
    main()
