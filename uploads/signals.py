"""Signals of an upload's life, for a project to hang its own work on: `docs/signals.md`.

Each is sent inside the transaction that makes it true. An exception in a receiver rolls that back, as with
Django's own signals. Work of one's own is sent with `delay_on_commit`.
"""

from django.dispatch import Signal

# A person has sent an image: `upload`.
upload_received = Signal()
# An upload has all its renditions: `upload`, and `again`, which is true where it was ready before.
upload_ready = Signal()
# An upload cannot be processed: `upload`, and the `refusal` that says why.
upload_failed = Signal()
# A person has deleted an upload, and may take that back for some seconds: `upload`.
upload_deleted = Signal()
