"""The parts of the tests: which tests run together, on which database, in how many processes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Tests that are selected by markers and run in one call of pytest, with these options."""

    name: str
    selected: str
    options: tuple[str, ...] = ()


IN_PLACE = "not (journey or fault or install or postgresql)"

# Tests often wait, so two cores can run two processes in each of two lanes.
SQLITE = Part("sqlite", IN_PLACE, ("-n", "2", "--dist", "worksteal"))
POSTGRESQL = Part(
    "postgresql",
    "database and not (any_database or fault)",
    ("-n", "2", "--dist", "worksteal", "--database=postgresql"),
)
# The journeys of a module share expensive fixtures, such as a stage with users and pictures.
FAULTS = Part("faults", "fault", ("-n", "2", "--dist", "worksteal", "--database=postgresql", "--timeout=900"))
JOURNEYS = Part("journeys", "journey", ("-n", "2", "--dist", "loadscope", "--timeout=900"))
# Without migrations, the tables come from the models, some seconds earlier. `make check` compares the two.
FAST = Part("fast", f"{IN_PLACE} and not slow", ("-n", "2", "--dist", "worksteal", "--no-migrations"))
# Each file shares an expensive fixture, such as a clone.
INSTALL = Part("install", "install", ("-n", "2", "--dist", "loadfile", "--timeout=2400"))


@dataclass(frozen=True, slots=True)
class Selection:
    """The parts that a command runs, and a sentence about the tests that it leaves out.

    Lanes run in parallel. The parts of a lane run one after the other.
    """

    lanes: tuple[tuple[Part, ...], ...]
    left_out: str


SELECTIONS = {
    "fast": Selection(
        ((FAST,),),
        "Left out: PostgreSQL, browsers, real workers and servers, killed processes, races, audits, large "
        "pictures, the corpus, other environments. `make test` and `make test-install` run these.",
    ),
    "all": Selection(
        ((JOURNEYS, FAULTS), (SQLITE, POSTGRESQL)),
        "Left out: fresh environments, RabbitMQ, PgBouncer, nginx, Redis with TLS in the whole system, "
        "several hosts, wrong clocks, rolling restarts, peers' packages. `make test-install` runs these.",
    ),
    "install": Selection(((INSTALL,),), ""),
}
