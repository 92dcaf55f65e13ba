"""The examination asks each part of a site, all at once and for a limited time."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from threading import Thread

from django.db import connections

from uploads.monitoring.doctor import local, mail, services, site, storage

# Seconds in which each part must answer. Most have shorter time-outs themselves.
TIME_LIMIT = 30.0
# Each function returns a sentence, or "" if its part is well.
PARTS: dict[str, Callable[[], str]] = {
    "database": services.database,
    "storage": storage.problem,
    "redis": services.redis,
    "broker": services.broker_problem,
    "mail": mail.problem,
    "disk": local.disk,
    "workers": local.workers,
    "beat": local.beat,
    "site": site.problem,
}


def examine(names: Iterable[str]) -> dict[str, str]:
    """Return a sentence for each named part, or "" if it is well."""
    asked = {name: _ask(PARTS[name]) for name in names}
    return {name: _outcome(future) for name, future in asked.items()}


def _ask(part: Callable[[], str]) -> "Future[str]":
    """Ask a part in a thread for which the process does not wait at its end, even if it hangs."""
    future: Future[str] = Future()

    def answer() -> None:
        try:
            future.set_result(part())
        except Exception as error:  # noqa: BLE001 (an unexpected error is a finding too)
            future.set_exception(error)
        finally:
            connections.close_all()

    Thread(target=answer, daemon=True).start()
    return future


def _outcome(future: "Future[str]") -> str:
    try:
        return future.result(timeout=TIME_LIMIT)
    except NotInTime:
        return f"There was no answer within {TIME_LIMIT:g} seconds."
    except Exception as error:  # noqa: BLE001 (an unexpected error is a finding too)
        return f"An unexpected error occurred: {type(error).__name__}: {error}"
