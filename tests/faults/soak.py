"""The soak test: users work on a site while its parts are killed, frozen and broken. Then it is checked.

`make soak ARGS="--seconds 600 --seed 1 --database sqlite --broker rabbitmq --storage s3"`, or with `--hosts`
on several hosts, whose network and power fail. After a third of the time the database is backed up, and after
two thirds this backup is restored. The exit status is 0 only if the promise was kept.
"""

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests import rabbitmq
from tests.faults import hosts, network, targets, wrong_clocks
from tests.faults.actor import Actor
from tests.faults.chaos import AWAY, PAUSE, Chaos, InTurn, Target
from tests.faults.figures import report
from tests.faults.hooks import Hooks
from tests.faults.site import Site
from tests.faults.soaking import Soak, Watch
from tests.install import nginx
from tests.processing.pictures import CORPUS, NO_CORPUS, TRUNCATED, expectations
from tests.receiver import Receiver, receiving

# Larger files are left out, because more uploads find more faults.
LARGEST = 150_000
PEOPLE = 6
# Uploads are not refused because the disk of the machine is almost full: only the storage of the test can be.
LIMITS = {"STEP_TIME_LIMIT": "20", "DELETE_GRACE": "5", "DISK_FREE_BYTES": "0"}
Storage = Callable[[Path], AbstractContextManager[tuple[Target, dict[str, str]]]]
STORAGES: dict[str, Storage] = {"local": targets.local_storage, "s3": targets.s3_storage}


def main() -> int:
    """Run a soak test, print its result, and return the exit status."""
    options = read_options()
    if options.hosts and not network.is_private():
        command, environment = network.in_private("tests.faults.soak", sys.argv[1:])
        os.execvpe(command[0], command, environment)
    # End like Ctrl-C, which also ends the site and unmounts its disk.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="darkroom-soak-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(wrong_clocks.shared_memory_removed())
        if not wrong_clocks.LIBRARY:
            print("The clocks stay as they are: install Debian's package libfaketime.", file=sys.stderr)
        scene = (on_hosts if options.hosts else on_one_machine)(stack, folder, options)
        site, hooks = scene.site, Hooks(scene.receiver)
        parts, random = [*scene.programs, *scene.others], Random(options.seed)
        soak = Soak(
            site=site,
            chaos=InTurn(parts, random, runs=Soak.RUNS)
            if options.in_turn
            else Chaos(parts, random, pause=scene.pause, away=scene.away),
            actors=make_actors(site, options.seed),
            keeper=site.person(),
            hooks=hooks,
            watch=Watch(site),
        )
        site.make_whole()
        for actor in soak.actors:
            hooks.add(actor.person)
        backup = stack.enter_context(tempfile.TemporaryDirectory(prefix="darkroom-backup-"))
        try:
            soak.run(seconds=options.seconds, folder=Path(backup))
        except BaseException:
            print(site.log_ends())
            raise
        ended = [log for program in scene.programs for log in program.ended]
        print(report(soak, vars(options), ended=ended))
        if soak.violations:
            print(site.log_ends(), *soak.violations, sep="\n")
            print(f"The promise was broken {len(soak.violations)} times.")
            return 1
    print("The promise was kept.")
    return 0


@dataclass(frozen=True)
class Scene:
    """A running site, and its parts that break. The programs may end by themselves."""

    site: Site
    receiver: Receiver
    programs: Sequence[targets.Program | hosts.Machine]
    others: Sequence[Target]
    pause: tuple[float, float] = PAUSE
    away: tuple[float, float] = AWAY


def on_one_machine(stack: contextlib.ExitStack, folder: Path, options: argparse.Namespace) -> Scene:
    """Start a site whose programs, clocks, broker and storage break."""
    broker, broker_settings = stack.enter_context(running_broker(options.broker))
    storage, storage_settings = stack.enter_context(STORAGES[options.storage](folder))
    settings = {**LIMITS, **broker_settings, **storage_settings}
    site = stack.enter_context(Site(folder, database=options.database, **settings))
    receiver = stack.enter_context(receiving())
    clocks = targets.clocks(site) if wrong_clocks.LIBRARY else []
    others = [*broker, storage, targets.Inbox(receiver), *clocks]
    return Scene(site, receiver, targets.programs(site), others)


def on_hosts(stack: contextlib.ExitStack, folder: Path, options: argparse.Namespace) -> Scene:
    """Start a site on several hosts, whose lines and power fail. Some of their clocks are wrong."""
    site = stack.enter_context(hosts.SpreadSite(folder, **LIMITS))
    receiver = stack.enter_context(receiving(host=network.address_of(network.OUTSIDE)))
    return Scene(site, receiver, hosts.machines(site), [targets.Inbox(receiver)], hosts.PAUSE, hosts.AWAY)


def read_options() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="make soak", description="Break a site while people use it.")
    parser.add_argument("--seconds", type=float, default=60, help="how long things are broken")
    parser.add_argument("--seed", type=int, default=1, help="the same seed does the same")
    parser.add_argument("--database", choices=["postgresql", "sqlite"], default="postgresql")
    parser.add_argument("--broker", choices=["redis", "rabbitmq"], default="redis")
    parser.add_argument("--storage", choices=list(STORAGES), default="local")
    parser.add_argument(
        "--hosts", action="store_true", help="on several hosts (PostgreSQL, Redis, S3), whose network fails"
    )
    parser.add_argument("--in-turn", action="store_true", help="cause every fault once, in turn")
    options = parser.parse_args()
    if not CORPUS.is_dir():
        parser.error(NO_CORPUS)
    if options.broker == "rabbitmq" and not rabbitmq.is_installed():
        parser.error("There is no RabbitMQ; install Debian's package rabbitmq-server.")
    if options.hosts:
        if (options.database, options.broker) != ("postgresql", "redis"):
            parser.error("Several hosts have PostgreSQL and Redis; omit --database and --broker.")
        if not network.can_be_private() or not nginx.PROGRAM:
            parser.error(
                "--hosts needs root, Debian's packages iproute2 and nginx-light, and a kernel with tbf."
            )
        options.storage = "s3"
    return options


@contextlib.contextmanager
def running_broker(name: str) -> Iterator[tuple[list[Target], dict[str, str]]]:
    """Return the broker's targets and settings: those of a RabbitMQ node, or none for the site's Redis."""
    if name == "redis":
        yield [], {}
        return
    with tempfile.TemporaryDirectory(prefix="darkroom-rabbitmq-") as folder:
        node = rabbitmq.RabbitMQ(Path(folder))
        with node.running():
            yield [targets.Node(node)], {"CELERY_BROKER_URL": node.url}


def make_actors(site: Site, seed: int) -> list[Actor]:
    """Return the users who act at random."""
    files = corpus_files()
    return [
        Actor(person=site.person(), files=files, random=Random(f"{seed} {number}"))
        for number in range(PEOPLE)
    ]


def corpus_files() -> list[tuple[Path, str]]:
    """Return the small files of the corpus, and the expected outcome of each."""
    found = expectations(CORPUS).items()
    return [
        (path, "bounded" if path.name in TRUNCATED else what)
        for path, what in found
        if what != "licence" and path.stat().st_size <= LARGEST
    ]


if __name__ == "__main__":
    sys.exit(main())
