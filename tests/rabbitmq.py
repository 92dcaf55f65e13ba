"""A RabbitMQ node for the tests, with all its files in one folder."""

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

# Debian's `rabbitmq-server` on the PATH switches to the user `rabbitmq`. These programs do not.
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
# Erlang's own ports must listen on the loopback interface only, too.
LOOPBACK_ONLY = "-kernel inet_dist_use_interface {127,0,0,1}"


def is_installed() -> bool:
    return (PROGRAMS / "rabbitmq-server").exists() and shutil.which("epmd") is not None


class RabbitMQ:
    """Run one node without plugins, on free ports."""

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
            "HOME": str(folder),  # for Erlang's cookie
            "ERL_CRASH_DUMP": str(folder / "crash.dump"),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": "darkroom@localhost",
            "RABBITMQ_DIST_PORT": str(any_free_port()),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(folder / "none"),  # reading a configuration file takes seconds
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_ALLOW_INPUT": "1",  # no shell as a parent, which would outlive the node
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-noinput {LOOPBACK_ONLY}",
            "RABBITMQ_CTL_ERL_ARGS": LOOPBACK_ONLY,
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start the node. At the end, stop it and `epmd`, Erlang's registry of nodes."""
        # Otherwise the node would start the registry as a daemon, which would never be stopped.
        with subprocess.Popen(["epmd"], env=self._environment) as registry:
            try:
                wait_until(lambda: not is_free(self._epmd_port), seconds=10)
                self.start()
                yield
            finally:
                self.kill()
                registry.kill()

    def start(self) -> None:
        """Start the node, and wait until it accepts connections."""
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
        """Kill the node, as in a crash."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    @contextlib.contextmanager
    def stalled(self) -> Iterator[None]:
        """Freeze the node, so that it neither reads nor answers, as behind a bad network."""
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
        """Return the number of messages in a queue."""
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
