"""Signals that a step was requested, has started, finished or failed, or was set aside for one more attempt.

`step_requested` is sent with `original` and `step`, outside a transaction. Its receivers may keep the step
from running: they raise a `Refusal`, or `processing.steps.Postponed`.

All others are sent with `content_hash` and `step`, inside the transaction that makes them true. `step_failed`
is also sent with `refusal`.
"""

from django.dispatch import Signal

step_requested = Signal()
step_started = Signal()
step_finished = Signal()
step_failed = Signal()
# The original has ended its renderer: the next attempt must be alone.
step_set_aside = Signal()
