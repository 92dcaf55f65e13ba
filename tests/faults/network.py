"""Hosts as network namespaces, on one switch. The line of each can be cut, silenced and slowed.

Only root can make them. `in_private()` first moves the program into namespaces of its own, for networks and
for mounts: the machine never sees the hosts, and the kernel removes all of them with the last process.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# The switch, and its address: that of the people and of the operator. Nothing breaks their line.
SWITCH, OUTSIDE = "switch", 1
# A thousand kilobits a second, which a few pictures fill: then packets wait for up to two seconds.
SLOW = ("tbf", "rate", "1mbit", "burst", "8k", "latency", "2s")
# Every packet vanishes, without an error for its sender.
SILENT = ("blackhole",)
_MARK = "DARKROOM_PRIVATE_NETWORK"
_UNSHARE = ("unshare", "--net", "--mount")


def can_be_private() -> bool:
    """Return whether this user may make namespaces, and this kernel knows them."""
    return os.geteuid() == 0 and _succeeds(*_UNSHARE, "tc", "qdisc", "add", "dev", "lo", "root", *SLOW)


def is_private() -> bool:
    """Return whether this program runs in namespaces of its own."""
    return _MARK in os.environ


def in_private(module: str, arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the command and the environment of a module that runs in namespaces of its own."""
    return [*_UNSHARE, sys.executable, "-m", module, *arguments], {**os.environ, _MARK: "1"}


def address_of(number: int) -> str:
    return f"10.77.0.{number}"


def _hardware_address_of(number: int) -> str:
    return f"02:00:00:00:00:{number:02x}"


@dataclass(frozen=True)
class Host:
    """A host with one network card. Its name is also that of its port at the switch."""

    name: str
    number: int
    # The file by which the namespace has a name.
    path: Path
    # The numbers of all addresses in the network.
    everyone: Sequence[int]

    @property
    def address(self) -> str:
        return address_of(self.number)

    def inside(self, *command: str, user: str | None = None) -> tuple[str, ...]:
        """Return the command that runs a command on this host. The process keeps its id."""
        identity = ("setpriv", f"--reuid={user}", "--clear-groups") if user else ()
        return ("nsenter", f"--net={self.path}", *identity, *command)

    def boot(self) -> None:
        """Start the host without processes, and connect it."""
        self.path.touch()
        _run("unshare", f"--net={self.path}", "true")
        card = ("peer", "name", "eth0", "netns", self.path)
        _run("ip", "link", "add", "name", self.name, "type", "veth", *card)
        _run("ip", "link", "set", "dev", self.name, "master", SWITCH, "up")
        self._batch(
            "link set dev lo up",
            f"link set dev eth0 address {_hardware_address_of(self.number)}",
            f"address add {self.address}/24 dev eth0",
        )
        self.connect()

    def power_off(self) -> None:
        """End the host after its processes were killed. No other host hears of the end of its connections."""
        _run("ip", "link", "delete", "dev", self.name)
        _run("umount", self.path)

    def forget(self) -> None:
        """Take the namespace's name away, so that its folder can be removed."""
        _succeeds("umount", str(self.path))

    def connect(self) -> None:
        """Switch the network card on. It knows all hosts, so that it never learns that one is absent."""
        self._batch(
            "link set dev eth0 up",
            *(
                f"neighbour replace {address_of(number)} lladdr {_hardware_address_of(number)} dev eth0"
                for number in self.everyone
                if number != self.number
            ),
        )

    def disconnect(self) -> None:
        """Switch the network card off: the host has no route, and others get no answer."""
        self._batch("link set dev eth0 down")

    def shape(self, *discipline: str, deaf: bool = False) -> None:
        """Let what the host receives, and unless it is only `deaf` what it sends, pass this queue."""
        _run("tc", "qdisc", "replace", "dev", self.name, "root", *discipline)
        if not deaf:
            _run(*self.inside("tc", "qdisc", "replace", "dev", "eth0", "root", *discipline))

    def unshape(self) -> None:
        """Let the line work as before."""
        _succeeds("tc", "qdisc", "delete", "dev", self.name, "root")
        _succeeds(*self.inside("tc", "qdisc", "delete", "dev", "eth0", "root"))

    def _batch(self, *lines: str) -> None:
        _run(*self.inside("ip", "-batch", "-"), stdin="\n".join(lines))


def connected(folder: Path, names: Sequence[str]) -> Mapping[str, Host]:
    """Make a switch, and boot a host of each name. Call it in private namespaces only."""
    assert is_private()
    numbers = range(OUTSIDE + 1, OUTSIDE + 1 + len(names))
    everyone = [OUTSIDE, *numbers]
    _run("ip", "link", "set", "dev", "lo", "up")
    _run("ip", "link", "add", "name", SWITCH, "address", _hardware_address_of(OUTSIDE), "type", "bridge")
    _run("ip", "address", "add", f"{address_of(OUTSIDE)}/24", "dev", SWITCH)
    _run("ip", "link", "set", "dev", SWITCH, "up")
    hosts = {
        name: Host(name, number, folder / f"{name}.network", everyone)
        for name, number in zip(names, numbers, strict=True)
    }
    for host in hosts.values():
        host.boot()
    return hosts


def _run(*command: str | Path, stdin: str = "") -> None:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stderr)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
