"""The commands of everything that `make run` starts."""

import sys

from deploy.ports import HOST
from deploy.processes import Program
from processing.conf import darkroom

# `deploy.prepare` has run the system checks. They import every view, which no worker needs.
CELERY = (sys.executable, "-m", "celery", "--quiet", "--skip-checks", "--app", "myproject")

# Options of each queue's worker. Without `--concurrency` a worker has a process for each core.
WORKER_OPTIONS = {
    "thumbnails": (),
    "renditions": (),
    "notifications": ("--pool", "threads", "--concurrency", "8"),
    "bulk": ("--concurrency", "1"),
}
# Seconds after `STOP_TIME` within which a worker releases its leases and ends.
STOP_MARGIN = 10
# Periodic tasks are quick and need no separate worker.
SERVED_QUEUES = {"notifications": "notifications,maintenance"}
# Thumbnails take the CPU from sizes that are being rendered, and both take it from bulk reprocessing. The
# scheduler still leaves each a share: about a fifteenth to sizes, and less than a twentieth to bulk work. The
# workers themselves do not yield, because they hold locks in the database while others wait.
NICENESS = {"renditions": "12", "bulk": "15"}
# As root, or in a group without a name, every worker would print these warnings of many lines. Production
# does not use this module.
WORKER_ENVIRONMENT = {
    "PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges,"
    "ignore:An entry for the specified gid or egid was not found"
}


PREPARE = Program(name="deploy.prepare", command=(sys.executable, "-m", "deploy.prepare"))


def web(*, port: int, log_level: str) -> Program:
    """Return the web server."""
    return Program(
        name="web",
        command=(
            *(sys.executable, "-m", "uvicorn", "myproject.asgi:application"),
            *("--host", HOST, "--port", str(port)),
            *("--loop", "uvloop", "--http", "myproject.head_guard:HeadGuard", "--lifespan", "off"),
            *("--no-access-log", "--log-level", log_level.lower()),
            # An open event stream can last an hour.
            *("--timeout-graceful-shutdown", "3"),
        ),
    )


def worker(*, queue: str, log_level: str) -> Program:
    """Return the worker of one queue."""
    return Program(
        name=queue,
        command=(
            *(*CELERY, "worker", "--queues", SERVED_QUEUES.get(queue, queue), "--hostname", f"{queue}@%h"),
            *("--without-gossip", "--without-mingle", "--loglevel", log_level),
            *WORKER_OPTIONS[queue],
        ),
        environment={**WORKER_ENVIRONMENT, "RENDERER_NICENESS": NICENESS.get(queue, "0")},
        stop_seconds=darkroom().stop_time + STOP_MARGIN,
    )


def beat(*, log_level: str) -> Program:
    """Return beat, which starts the periodic tasks."""
    return Program(name="beat", command=(*CELERY, "beat", "--loglevel", log_level, "--pidfile="))


def flower(*, port: int, password: str) -> Program:
    """Return Flower, which monitors the workers; its password stays off the command line."""
    return Program(
        name="flower",
        command=(*CELERY, "flower"),
        environment={
            "FLOWER_ADDRESS": HOST,
            "FLOWER_PORT": str(port),
            "FLOWER_BASIC_AUTH": f"demo:{password}",
        },
        stop_seconds=5,
    )


def redis(*, command: tuple[str, ...]) -> Program:
    """Return the embedded Redis."""
    return Program(name="redis", command=command, stop_seconds=5)
