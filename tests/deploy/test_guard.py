"""deploy.guard: the supervisor's processes end with it, however it ends."""

import signal
import subprocess
import sys

from deploy.guard import watch

# A small supervisor: it starts a process, lets the guard watch it, and waits to be killed.
SUPERVISOR = """
import subprocess, time
from deploy.guard import Guard
with Guard() as guard:
    process = subprocess.Popen(["sh", "-c", "sleep 60 & sleep 60"], start_new_session=True)
    guard.watch(process.pid)
    print("started", flush=True)
    time.sleep(60)
"""


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], start_new_session=True)


def test_processes_end_when_their_supervisor_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == "started\n"
        supervisor.kill()
        # The pipe ends when the last writer has ended, including both sleepers.
        assert supervisor.communicate(timeout=10)[0] == ""


def test_only_watched_groups_are_killed() -> None:
    with sleeper() as watched, sleeper() as forgotten:
        watch([f"+{watched.pid}\n", f"+{forgotten.pid}\n", f"-{forgotten.pid}\n"])
        assert watched.wait(timeout=10) == -signal.SIGKILL
        assert forgotten.poll() is None
        forgotten.kill()


def test_ended_group_is_ignored() -> None:
    with sleeper() as process:
        process.kill()
        process.wait()
        watch([f"+{process.pid}\n"])
