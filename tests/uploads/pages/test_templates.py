"""Templates have short lines. A tag that spans several lines has one attribute per line."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

FOLDERS = [Path(settings.BASE_DIR) / app / "templates" for app in ("uploads", "myproject")]
TEMPLATES = sorted(path for folder in FOLDERS for path in folder.rglob("*.html"))
LONGEST = 120
# Django's tags and variables may contain quotes and `>`, so they are removed before HTML tags are searched.
OF_DJANGO = re.compile(r"{%.*?%}|{{.*?}}|{#.*?#}")
TAG = re.compile(r"""<[a-z][a-z0-9]*(?:"[^"]*"|[^">])*>""")
ATTRIBUTE = re.compile(r"""(?<=\s)[^\s"=<>/]+(?:="[^"]*")?""")


def problems(template: str) -> Iterator[str]:
    """Yield the lines that are too long and the tags that are wrapped incorrectly."""
    for line in template.splitlines():
        if len(line) > LONGEST:
            yield f"longer than {LONGEST} characters: {line.strip()}"
    for tag in TAG.findall(OF_DJANGO.sub("", template)):
        if "\n" in tag and most_attributes_on_a_line(tag) > 1:
            yield f"two attributes on one line: {tag}"


def most_attributes_on_a_line(tag: str) -> int:
    lines = Counter(tag.count("\n", 0, found.start()) for found in ATTRIBUTE.finditer(tag))
    return max(lines.values(), default=0)


def test_templates_are_found() -> None:
    assert {"home.html", "card.html", "404.html"} <= {path.name for path in TEMPLATES}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_template_follows_the_style(path: Path) -> None:
    assert list(problems(path.read_text())) == []


@pytest.mark.parametrize(
    "template",
    [
        '<p class="soft" id="hint">One line.</p>',
        '<p\n  class="soft"\n  id="hint"\n>Several lines.</p>',
        '<p\n  class="soft"\n  {% if more %}hidden{% endif %}\n  title="{{ a|default:"a > b" }}"\n></p>',
        '<a\n  hx-select="#cards > *"\n  title="two words"\n  href="{% url \'home\' %}?q={{ q }}"\n></a>',
        '<path\n  fill="none"\n  d="M0 0 1 1"\n/>',
        "x" * LONGEST,
    ],
)
def test_good_template_passes(template: str) -> None:
    assert list(problems(template)) == []


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("é" * (LONGEST + 1), "longer than 120 characters"),
        ('<p\n  class="soft" id="hint"\n>', "two attributes on one line"),
        ('<p class="soft" id="hint"\n  hidden>', "two attributes on one line"),
        ('<p\n  class="soft" hidden\n>', "two attributes on one line"),
        ('<p\n  class="{{ a|default:">" }}"{% if b %} hidden{% endif %}\n>', "two attributes on one line"),
        ('<a\n  hx-select="#cards > *"\n  rel="next" href="/"\n>', "two attributes on one line"),
    ],
)
def test_bad_template_is_reported(template: str, words: str) -> None:
    (problem,) = problems(template)
    assert problem.startswith(words)
