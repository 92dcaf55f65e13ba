"""A site on hosts of its own: two web servers behind nginx, three workers, PostgreSQL, Redis, S3."""

import contextlib
import http.client
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from deploy import programs
from deploy.embedded_redis import server_path
from deploy.ports import HOST
from tests.faults.chaos import Repair
from tests.faults.commands import Commands
from tests.faults.database import SQLite
from tests.faults.network import SILENT, SLOW, Host, connected
from tests.faults.person import Person
from tests.faults.site import Site
from tests.faults.wrong_clocks import LIBRARY, clock_ahead
from tests.install import nginx
from tests.postgresql import PostgreSQL
from tests.storage.servers import ACCESS_KEY, SECRET_KEY

# The programs of each host, in the order in which they start.
HOSTS: Mapping[str, Sequence[str]] = {
    "database": ["database"],
    "redis": ["redis"],
    "storage": ["storage"],
    "web": ["web"],
    "second-web": ["second-web"],
    "worker": ["worker", "beat"],
    "second": ["second"],
    "third": ["third"],
    "proxy": ["proxy"],
}
# The hosts whose clocks are wrong, and by how many seconds.
CLOCKS = {"second-web": 240, "worker": 60, "second": -180}
PORTS = {"database": 5432, "redis": 6379, "storage": 9000, "web": 8000, "second-web": 8000, "proxy": 8080}
# Seconds between two faults, and until a host is repaired: some are longer than every time-out of a
# connection. On average, two or three of the nine hosts are broken.
PAUSE, AWAY = (3.0, 12.0), (0.5, 40.0)
FAULTS = {"cut off": 2, "silent": 2, "deaf": 1, "slow": 2, "powered off": 2}
_CONFIGURATION = """
upstream site {{
    server {web} max_fails=1 fail_timeout=2s;
    server {second} max_fails=1 fail_timeout=2s;
}}
server {{
    listen {port};
    # By default, it waits for a minute, also for a host that is gone.
    proxy_connect_timeout 2s;
    location / {{ proxy_pass http://site; }}
}}
"""


class SpreadPostgreSQL(PostgreSQL):
    """A server that accepts connections of other hosts."""

    def __init__(self, folder: Path, host: str) -> None:
        super().__init__(folder)
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")
        self.url = f"postgres://postgres:@{host}:{PORTS['database']}/postgres"

    def _options(self) -> tuple[str, ...]:
        return (*super()._options(), "-c", "listen_addresses=*", "-c", f"port={PORTS['database']}")


@dataclass(frozen=True)
class SpreadCommands(Commands):
    """The commands by name, each of which runs on its host."""

    hosts: Mapping[str, Host]

    def of(self, name: str) -> tuple[str, ...]:
        host = self.hosts[host_of(name)]
        if name == "database":
            return host.inside(*super().of(name), user=self.database.user)
        own = {
            "redis": self._redis,
            "storage": self._storage,
            "second-web": self._web,
            "web": self._web,
            "proxy": self._proxy,
        }
        return host.inside(*(own[name]() if name in own else super().of(name)))

    def user_of(self, name: str) -> None:
        """Return None: only root may enter a host, where the command then changes the user."""

    def _redis(self) -> tuple[str, ...]:
        return (
            *(server_path(), "--port", str(PORTS["redis"]), "--protected-mode", "no"),
            *("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction"),
            *("--dir", str(self.folder), "--loglevel", "warning"),
        )

    def _storage(self) -> tuple[str, ...]:
        return (
            *(str(Path(sys.executable).parent / "rclone"), "serve", "s3", str(self.folder / "buckets")),
            *("--addr", f":{PORTS['storage']}", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}"),
            *("--config", str(self.folder / "rclone.conf"), "--log-level", "ERROR"),
        )

    def _web(self) -> tuple[str, ...]:
        command = programs.web(port=PORTS["web"], log_level="INFO").command
        return tuple("0.0.0.0" if word == HOST else word for word in command)

    def _proxy(self) -> tuple[str, ...]:
        path = self.folder / "nginx.conf"
        web, second = (f"{self.hosts[name].address}:{PORTS[name]}" for name in ("web", "second-web"))
        site = _CONFIGURATION.format(web=web, second=second, port=PORTS["proxy"])
        path.write_text(nginx.configuration(self.folder, site))
        return nginx.command(self.folder, path)


class SpreadSite(Site):
    """Run a site on hosts of their own. People reach it by way of nginx. Call it in private namespaces."""

    programs = tuple(program for host in HOSTS.values() for program in host)
    services = ("database", "redis", "storage")

    def __init__(self, folder: Path, **environment: str) -> None:
        self.hosts = connected(folder, list(HOSTS))
        (folder / "buckets" / "media").mkdir(parents=True)
        super().__init__(folder, **self._addresses(folder), **environment)
        for host, names in HOSTS.items():
            own = {"VAR_DIR": str(folder / host)}
            if LIBRARY and host in CLOCKS:
                own |= clock_ahead(CLOCKS[host])
            self.own_environments |= dict.fromkeys(names, own)

    def _addresses(self, folder: Path) -> dict[str, str]:
        site = self.hosts["proxy"].address
        return {
            "ALLOWED_HOSTS": site,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_S3_ENDPOINT_URL": f"http://{self.hosts['storage'].address}:{PORTS['storage']}",
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "FORWARDED_ALLOW_IPS": site,
            "REDIS_URL": f"redis://{self.hosts['redis'].address}:{PORTS['redis']}/0",
            "S3_BUCKET": "media",
            "SITE_URL": f"http://{site}:{PORTS['proxy']}",
            "STATIC_ROOT": str(folder / "static"),
        }

    def _make_database(self, folder: Path, name: str) -> PostgreSQL | SQLite:
        return SpreadPostgreSQL(folder, self.hosts["database"].address)

    def _make_commands(self, folder: Path) -> Commands:
        return SpreadCommands(folder=folder, port=PORTS["web"], database=self._database, hosts=self.hosts)

    def _make_person(self, names: Mapping[str, Any]) -> Person:
        return Person(port=PORTS["proxy"], host=self.hosts["proxy"].address, **names)

    def close(self) -> None:
        """End all processes, and remove the folder."""
        for host in self.hosts.values():
            host.forget()
        super().close()

    def answers(self, name: str) -> bool:
        """Return whether a server answers. Other processes are not asked."""
        if name in {"storage", "proxy"}:
            return self._is_listening(name)
        if name in {"web", "second-web"}:
            return self._serves(name)
        return super().answers(name)

    def _is_listening(self, name: str) -> bool:
        address = (self.hosts[name].address, PORTS[name])
        with contextlib.suppress(OSError), closing(socket.create_connection(address, timeout=2)):
            return True
        return False

    def _serves(self, name: str) -> bool:
        connection = http.client.HTTPConnection(self.hosts[name].address, PORTS[name], timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), closing(connection):
            connection.request("GET", "/healthz", headers={"Host": self.hosts["proxy"].address})
            return connection.getresponse().status == 200
        return False


def host_of(name: str) -> str:
    """Return the host of a program. Other programs, such as a further worker, run on the third worker's."""
    return next((host for host, names in HOSTS.items() if name in names), "third")


@dataclass
class Machine:
    """A host of the site, with its line and its programs."""

    site: SpreadSite
    host: Host
    processes: Sequence[str]
    faults: Mapping[str, int] = field(default_factory=lambda: FAULTS)
    # The ends of the logs of processes that ended although no fault had killed them.
    ended: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"host {self.host.name}"

    def has_ended(self) -> bool:
        return not all(map(self.site.runs, self.processes))

    def is_well(self) -> bool:
        return all(map(self.site.answers, self.processes))

    def restart(self) -> None:
        for name in self.processes:
            if not self.site.runs(name):
                self.ended.append(self.site.log(name).read_text()[-5000:])
                self.site.launch(name)

    def cause(self, fault: str, random: Random) -> Repair:
        if fault == "cut off":
            self.host.disconnect()
            return self.host.connect
        if fault == "powered off":
            self._power_off()
            return self._boot
        self.host.shape(*(SLOW if fault == "slow" else SILENT), deaf=fault == "deaf")
        return self.host.unshape

    def _power_off(self) -> None:
        """End the host without a word to the others: first its line, then its programs."""
        self.host.shape(*SILENT)
        for name in self.processes:
            self.site.kill(name)
        self.host.power_off()

    def _boot(self) -> None:
        self.host.boot()
        for name in self.processes:
            self.site.launch(name)


def machines(site: SpreadSite) -> list[Machine]:
    """Return the hosts of a site."""
    return [Machine(site, site.hosts[name], names) for name, names in HOSTS.items()]
