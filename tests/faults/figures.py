"""The figures of a soak test: in detail as JSON, then a row for docs/reliability.md, then the faults."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from tests.faults.soaking import Soak

# The outcome of a file by the status of the answer. After any other status, it is sent again.
KINDS = {"201": "accepted", "200": "duplicates", **dict.fromkeys(("400", "413", "415", "422"), "refused")}


def report(soak: Soak, options: Mapping[str, object], *, ended: Sequence[str]) -> str:
    """Return all figures of a run. `ended` has the logs of processes that ended without a fault."""
    counts = sum((actor.counts for actor in soak.actors), Counter[str]())
    outcomes = Counter(f"{status} {code}".strip() for _hash, status, code in soak.outcomes())
    details = {
        **options,
        "requests": dict(sorted(counts.items())),
        "uploads": dict(sorted(outcomes.items())),
        "ended by itself": [log.splitlines()[-1] for log in ended if log],
    }
    faults = "; ".join(f"{name} {count}" for name, count in sorted(soak.chaos.done.items()))
    return f"{json.dumps(details, indent=2)}\n\n{row(soak, options, counts)}\n\nFaults: {faults}."


def row(soak: Soak, options: Mapping[str, object], counts: Counter[str]) -> str:
    """Return a table with one row, in Markdown."""
    sent = files(counts)
    unanswered = sum(count for answer, count in counts.items() if answer.endswith((": 503", ": no answer")))
    cells = {
        "database, broker, storage": f"{options['database']}, {options['broker']}, {options['storage']}",
        "seconds": f"{options['seconds']:g}",
        "faults": soak.chaos.done.total(),
        "files": sent.total(),
        **{kind: sent[kind] for kind in dict.fromkeys(KINDS.values())},
        "503 or no answer": unanswered,
        "adopted": soak.adopted,
        "live at the end": soak.live,
        "webhooks received": len(soak.hooks.receiver.requests),
        "longest standstill, s": f"{soak.watch.longest:.0f}",
        "all done after, s": f"{soak.rest:.0f}",
    }
    lines = [cells.keys(), ["---"] * len(cells), map(str, cells.values())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def files(counts: Counter[str]) -> Counter[str]:
    """Return the number of files by what became of them."""
    found = Counter[str]()
    for answer, count in counts.items():
        name, _, status = answer.partition(": ")
        if name == "send" and status in KINDS:
            found[KINDS[status]] += count
    return found
