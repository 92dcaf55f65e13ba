"""The parts of a site that break: programs, their clocks, RabbitMQ, the storage, the receiver of webhooks."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from tests.faults import bucket
from tests.faults.chaos import Repair
from tests.faults.proxy import Mode, Proxy
from tests.faults.site import Site
from tests.faults.wrong_clocks import clock_ahead
from tests.rabbitmq import RabbitMQ
from tests.receiver import Receiver, hang_up

# Each program's faults, and their relative frequency.
PROGRAM_FAULTS = {
    "worker": {"process killed": 6, "main process killed": 2, "killed": 2, "frozen": 2},
    "second": {"killed": 1, "frozen": 1},
    "beat": {"killed": 1, "frozen": 1},
    "web": {"killed": 2, "frozen": 1},
    "redis": {"killed": 2, "frozen": 2},
    "database": {"killed": 2, "frozen": 2},
}
# The programs whose clocks are moved: each may be on a host of its own.
HOSTS = ("web", "worker", "second", "beat")
# The largest difference from the right time, in seconds.
FARTHEST = 300
# The bytes of a file system that can be filled.
DISK_BYTES = 4 * 1024**3


class Lasting:
    """A part that never ends by itself."""

    processes: Sequence[str] = ()

    def has_ended(self) -> bool:
        return False

    def restart(self) -> None:
        """Do nothing."""

    def is_well(self) -> bool:
        return True


@dataclass
class Program:
    """A process of the site with its children."""

    site: Site
    name: str
    # The ends of the logs of processes that ended although no fault had killed them.
    ended: list[str] = field(default_factory=list)

    @property
    def processes(self) -> Sequence[str]:
        return [self.name]

    @property
    def faults(self) -> Mapping[str, int]:
        return PROGRAM_FAULTS[self.name]

    def has_ended(self) -> bool:
        return not self.site.runs(self.name)

    def is_well(self) -> bool:
        return self.site.answers(self.name)

    def restart(self) -> None:
        self.ended.append(self.site.log(self.name).read_text()[-5000:])
        self.site.launch(self.name)

    def cause(self, fault: str, random: Random) -> Repair | None:
        if fault == "process killed":
            self._kill_child(random)
            return None
        if fault == "frozen":
            self.site.stop(self.name)
            return partial(self.site.go_on, self.name)
        self.site.kill(self.name, alone=fault == "main process killed")
        return partial(self.site.launch, self.name)

    def _kill_child(self, random: Random) -> None:
        """Kill one of a worker's child processes, which the worker replaces."""
        children = [pid for pid in self.site.group(self.name) if pid != self.site.pid(self.name)]
        if children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(children), signal.SIGKILL)


def programs(site: Site) -> list[Program]:
    """Return the processes of a site, and a second worker."""
    names = [name for name in PROGRAM_FAULTS if name != "database" or site.has_database_server]
    return [Program(site, name) for name in names]


@dataclass
class Clock(Lasting):
    """The clock of a host, by which these programs run. It is wrong from a restart to the next."""

    site: Site
    name: str
    processes: Sequence[str]
    faults: Mapping[str, int] = field(default_factory=lambda: {"moved": 1})

    def cause(self, fault: str, random: Random) -> Repair:
        self._restart(random.randint(-FARTHEST, FARTHEST))
        return partial(self._restart, 0)

    def is_well(self) -> bool:
        return all(self.site.answers(name) for name in self.processes)

    def _restart(self, offset: int) -> None:
        for name in self.processes:
            if self.site.runs(name):
                self.site.kill(name)
            self.site.own_environments[name] = clock_ahead(offset) if offset else {}
            self.site.launch(name)


def clocks(site: Site) -> list[Clock]:
    """Return the clocks of a site: with PostgreSQL, programs can run on several hosts."""
    if not site.has_database_server:
        return [Clock(site, "clock", HOSTS)]
    return [Clock(site, f"clock of {name}", [name]) for name in HOSTS]


@dataclass
class Node(Lasting):
    """A RabbitMQ node."""

    node: RabbitMQ
    name: str = "rabbitmq"
    faults: Mapping[str, int] = field(default_factory=lambda: {"killed": 2, "frozen": 2})

    def cause(self, fault: str, random: Random) -> Repair:
        if fault == "killed":
            self.node.kill()
            return self.node.start
        stalling = contextlib.ExitStack()
        stalling.enter_context(self.node.stalled())
        return stalling.close


@dataclass
class Inbox(Lasting):
    """The receiver of the webhooks."""

    receiver: Receiver
    name: str = "webhook receiver"
    faults: Mapping[str, int] = field(default_factory=lambda: {"answers 500": 1, "hangs up": 1})

    def cause(self, fault: str, random: Random) -> Repair:
        if fault == "hangs up":
            self.receiver.instead = hang_up
        else:
            self.receiver.status = 500
        return self._repair

    def _repair(self) -> None:
        self.receiver.status, self.receiver.instead = 200, None


@dataclass
class Disk(Lasting):
    """A folder behind a symbolic link, which can point to a place that does not work."""

    link: Path
    folder: Path
    faults: Mapping[str, int]
    name: str = "storage"

    def cause(self, fault: str, random: Random) -> Repair:
        if fault == "full":
            self._fill()
            return partial(resize, self.folder, DISK_BYTES)
        # Below a file, every access fails.
        point(self.link, self.folder.with_name("no-disk"))
        return partial(point, self.link, self.folder)

    def _fill(self) -> None:
        """Make the file system as small as its content, which may just be growing."""
        full = False
        while not full:
            usage = shutil.disk_usage(self.folder)
            full = resize(self.folder, max(usage.used, 4096))


def point(link: Path, target: Path) -> None:
    """Make a symbolic link point to another place, at once."""
    new = link.with_name("new-link")
    new.symlink_to(target)
    new.replace(link)


def resize(folder: Path, size: int) -> bool:
    """Resize the file system that is mounted on a folder; return whether it worked."""
    return is_done("mount", "-o", f"remount,size={size}", str(folder))


def is_done(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def local_storage(folder: Path) -> Iterator[tuple[Disk, dict[str, str]]]:
    """Return a folder for media that can fail, and its settings. Only a file system of root's can be full."""
    disk, link = folder / "disk", folder / "media"
    disk.mkdir()
    disk.with_name("no-disk").touch()
    link.symlink_to(disk)
    mounted = is_done("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk))
    try:
        faults = {"cut off": 2, "full": 2} if mounted else {"cut off": 2}
        yield Disk(link, disk, faults), {"MEDIA_ROOT": str(link)}
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)


S3_FAULTS: dict[str, Mode] = {
    "answers 500": "error",
    "resets": "reset",
    "loses answers": "answer_lost",
    "slow": "slow",
    "cut off": "closed",
}


@dataclass
class Bucket(Lasting):
    """A bucket behind a proxy."""

    proxy: Proxy
    name: str = "storage"
    faults: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(S3_FAULTS, 1))

    def cause(self, fault: str, random: Random) -> Repair:
        self.proxy.mode = S3_FAULTS[fault]
        return self._repair

    def _repair(self) -> None:
        self.proxy.mode = "well"


@contextlib.contextmanager
def s3_storage(folder: Path) -> Iterator[tuple[Bucket, dict[str, str]]]:
    """Return an empty bucket of a real S3 server behind a proxy, and its settings."""
    with bucket.bucket_in(folder) as proxy:
        yield Bucket(proxy), bucket.settings_of(proxy)
