"""Two hostile people and a careless operator attack a fresh system: `make hostile`.

Mallory signs up, takes over, locks out and sends mail. A thief has stolen a password, a token or a link. The
operator restores an old backup and damages files. In the drill (C), attacks come at once. Each point is
printed with `holds` or `BROKEN`. The exit status is 0 only if nothing is lost and no intruder is in.
`ARGS="--only A1 B5"` tries some of the points, `ARGS="--only C1 C2"` the drill.
"""

import argparse
import contextlib
import io
import os
import re
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.hostile import corpus_at_once, destruction, drill, intrusion, moderation, scene
from tests.hostile.points import Point, Result, table, try_point

# The printed link comes first, because it expires in ten minutes.
POINTS = (
    Point("B4", "The printed sign-in link works once.", intrusion.printed_link),
    Point("A1", "An older database costs no image.", destruction.restored_database),
    Point("A2", "The right bytes heal a deleted original.", destruction.lost_original),
    Point("A2", "The right bytes heal a damaged original.", destruction.damaged_original),
    Point("A3", "Two files in one form, and unknown parameters, are refused.", destruction.several_files),
    Point("A4", "File names keep their characters.", destruction.file_names),
    Point("B1", "A reset ends what was prepared before its owner came.", intrusion.account_before_its_owner),
    Point("B1", "A reset ends the session of a thief.", intrusion.stolen_password),
    Point("B1", "A sign-up does not reveal who has an account.", intrusion.who_has_an_account),
    Point("B2", "A revoked token opens nothing.", intrusion.revoked_token),
    Point("B2", "Tokens have scopes and an expiry, and no key is stored.", intrusion.limited_tokens),
    Point("B3", "Unverified addresses get no mail about images.", intrusion.mail_to_strangers),
    Point("B3", "The emails of a day are limited.", intrusion.mail_a_day),
    Point("B4", "Wrong passwords lock only the network of the attacker.", intrusion.locked_out),
    Point("B5", "Private links end with revocation, visibility and deletion.", intrusion.ended_links),
    Point("B5", "Private links open one preset, and expire.", intrusion.limited_links),
    Point("B6", "A suspended person is out, and so are their images.", moderation.suspended_person),
    Point("B6", "An image that is taken down is served to no visitor.", moderation.taken_down_image),
    Point("B6", "A person who leaves takes everything along.", moderation.left_account),
    Point("C1", "A stranger gets a thumbnail amid attacks.", drill.attacks_at_once),
    Point("C2", "All files of the corpus at once end no worker.", corpus_at_once.whole_corpus),
)
# Tried after all others, because they repeat what the others have prepared.
LAST = (
    Point("end", "Nothing is lost.", destruction.everything_is_there),
    Point("end", "No intruder is in.", intrusion.everyone_is_out),
)
# The number of warnings and errors of the system that are printed if a point is broken.
LOG_LINES = 40
LOGGED = re.compile(r" (WARNING|ERROR|CRITICAL) ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack a fresh system, print the outcome of each point, and return the exit status."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")
    # End like Ctrl-C, which also ends the system.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    points = wanted_points(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="darkroom-hostile-") as folder,
        # At its end, the system prints its log.
        contextlib.redirect_stdout(io.StringIO()) as log,
        scene.started(Path(folder)) as stage,
    ):
        results = [attack(point, stage) for point in points]
    return conclude(results, log.getvalue())


def wanted_points(arguments: Sequence[str] | None) -> list[Point]:
    """Return the points that the command line selects, and the last ones."""
    parser = argparse.ArgumentParser(prog="make hostile", description="Attack a fresh system.")
    numbers = sorted({point.number for point in POINTS})
    parser.add_argument("--only", nargs="+", choices=numbers, default=numbers, metavar="POINT")
    only = parser.parse_args(arguments).only
    return [*(point for point in POINTS if point.number in only), *LAST]


def attack(point: Point, stage: scene.Scene) -> Result:
    """Attack a point, and report at once that it is done."""
    result = try_point(point, stage)
    print(table([result]), file=sys.stderr, flush=True)
    return result


def conclude(results: list[Result], log: str) -> int:
    """Print the table and the conclusion, and return the exit status."""
    broken = [result for result in results if result.outcome == "BROKEN"]
    if broken:
        print(*list(filter(LOGGED.search, log.splitlines()))[-LOG_LINES:], sep="\n")
    print(table(results))
    if broken:
        print(f"{len(broken)} of {len(results)} points do not hold.")
        return 1
    print("Nothing is lost, and no intruder is in.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
