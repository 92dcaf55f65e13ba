"""Signals of an upload's life, for a project's own code; see `docs/signals.md`.

Each signal is sent inside the transaction that makes it true. An exception in a receiver rolls that
transaction back. Queue your own tasks with `delay_on_commit`.
"""

from django.dispatch import Signal

# An image was received: `upload`.
upload_received = Signal()
# The file of an image was replaced, and is processed: `upload`.
upload_replaced = Signal()
# All renditions are ready: `upload`, and `again`, which is true if this file was ready before.
upload_ready = Signal()
# An upload cannot be processed: `upload`, and the `refusal` with the reason.
upload_failed = Signal()
# An upload was deleted and can be restored for some seconds, or its account is being deleted: `upload`.
upload_deleted = Signal()
