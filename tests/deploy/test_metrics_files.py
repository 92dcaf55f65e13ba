"""The files for Prometheus and Grafana name existing metrics, and each alert has a section on what to do."""

import json
import re
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PAGE = (ROOT / "docs" / "metrics.md").read_text()
RULES = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()
DASHBOARD = (ROOT / "deploy" / "grafana" / "darkroom.json").read_text()
DOCUMENTED = set(re.findall(r"^\| `(darkroom_\w+)` \|", PAGE, re.MULTILINE))


def named(text: str) -> set[str]:
    """Return the metrics that a text names; those of a histogram by its own name."""
    names = set(re.findall(r"\bdarkroom_\w+", text))
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}


def test_alerts_name_existing_metrics() -> None:
    assert named(RULES) - DOCUMENTED == set()


def test_dashboard_shows_every_metric() -> None:
    panels = json.loads(DASHBOARD)["panels"]
    queries = " ".join(target["expr"] for panel in panels for target in panel["targets"])
    assert named(queries) == DOCUMENTED


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in json.loads(DASHBOARD)["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _y in cells) < 24


def test_each_alert_has_a_section_on_what_to_do() -> None:
    alerts = re.findall(r"alert: (\w+)", RULES)
    sections = re.findall(r"^### (\w+)$", PAGE, re.MULTILINE)
    links = re.findall(r"runbook_url: docs/metrics\.md#(\w+)", RULES)
    assert len(alerts) > 10
    assert sections == alerts
    assert links == [name.lower() for name in alerts]
