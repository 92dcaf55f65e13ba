"""A RabbitMQ node of the tests' own, with all it keeps in a folder of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from amqp import AMQPError, Connection

from deploy.ports import HOST, any_free_port, is_free
from tests.system import wait_until

# Debian's own `rabbitmq-server` on the PATH wants to become the user `rabbitmq`; these do not.
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
# Nothing of Erlang's own may listen anywhere else either.
LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"


def is_installed() -> bool:
    return (PROGRAMS / "rabbitmq-server").exists() and shutil.which("epmd") is not None


class RabbitMQ:
    """Run one node on ports of its own, without plugins."""

    def __init__(self, folder: Path) -> None:
        self.port = any_free_port()
        self.url = f"amqp://guest:guest@{HOST}:{self.port}//"
        self.output_path = folder / "output.txt"
        self._epmd_port = any_free_port()
        self._server: subprocess.Popen[bytes] | None = None
        self._environment = self._prepare(folder)

    def _prepare(self, folder: Path) -> dict[str, str]:
        (folder / "enabled_plugins").write_text("[].\n")
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(folder),  # where Erlang keeps the cookie
            "ERL_CRASH_DUMP": str(folder / "crash.dump"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": "darkroom@localhost",
            "RABBITMQ_DIST_PORT": str(any_free_port()),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),  # reading one takes seconds
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ALLOW_INPUT": "1",  # no shell between us and the node, which would outlive it
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-noinput {LOOPBACK_ONLY}",
            "RABBITMQ_CTL_ERL_ARGS": LOOPBACK_ONLY,
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start it, and at the end stop it and Erlang's registry of nodes."""
        # A node would start the registry as a daemon, which nobody stops.
        with subprocess.Popen(["epmd"], env=self._environment) as registry:
            try:
                wait_until(lambda: not is_free(self._epmd_port), seconds=10)
                self.start()
                yield
            finally:
                self.kill()
                registry.kill()

    def start(self) -> None:
        """Start the node, and wait until it takes connections."""
        with self.output_path.open("ab") as output:
            self._server = subprocess.Popen(
                [PROGRAMS / "rabbitmq-server"],
                env=self._environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        wait_until(lambda: self._ended() or self._answers(), seconds=60)
        assert not self._ended(), self.output_path.read_text()

    def kill(self) -> None:
        """End the node as a crash does."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Let the node take nothing in and say nothing, as behind a bad network."""
        assert self._server is not None
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

    def _ended(self) -> bool:
        return self._server is None or self._server.poll() is not None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, AMQPError), self._connection():
            return True
        return False

    def _connection(self) -> Connection:
        return Connection(f"{HOST}:{self.port}", connect_timeout=5)

    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        with self._connection() as connection:
            declared = connection.channel().queue_declare(queue, passive=True)
        assert declared is not None
        return int(declared[1])

    def queue_types(self) -> dict[str, str]:
        listed = subprocess.run(
            [PROGRAMS / "rabbitmqctl", "--quiet", "--no-table-headers", "list_queues", "name", "type"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return dict(line.split("\t") for line in listed.stdout.splitlines())
