"""Signals that a step started, finished or failed.

All are sent with `content_hash` and `step`, inside the transaction that makes them true. `step_failed` is
also sent with `refusal`.
"""

from django.dispatch import Signal

step_started = Signal()
step_finished = Signal()
step_failed = Signal()
