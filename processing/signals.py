"""What happens to an original, for those who show it to people.

All are sent with `content_hash` and `step`, inside the transaction that makes them true;
`step_failed` also with `refusal`.
"""

from django.dispatch import Signal

step_started = Signal()
step_finished = Signal()
step_failed = Signal()
