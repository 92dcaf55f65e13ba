"""The texts stay plain English: patterns that read like a translation do not come back."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
PACKAGES = ("uploads", "processing", "myproject", "deploy", "benchmarks")
CODE = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if "migrations" not in path.parts]
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
TEMPLATES = [path for name in PACKAGES for path in (ROOT / name).rglob("templates/**/*.*")]
CATALOGUE = ROOT / "uploads" / "locale" / "de" / "LC_MESSAGES" / "django.po"

CODE_SPAN = re.compile(r"`[^`]+`")

# Each pattern with what to write instead.
PATTERNS = {
    r"\b[Ww]ho(m|so)?ever\b": "name the role: owner, visitor, sender, worker, operator",
    r"\b([Nn]obody|[Ss]omebody|[Aa]nybody)\b": "name the role: no worker, another user, any visitor",
    r"\b(is|are|was|were|be) away\b": "is unavailable",
    # A question ends with its mark; a heading and a cell of a table are no sentence.
    r"(?:^|[.:;] )(What|Who|Where|Whose) [^.?|`]{3,90}[^?|]\.(?=\s|$)": "begin with a noun of the glossary",
    r"\b(no|any) [a-z]+ of (its|their|our|one's) own\b": "leave it out",
    r"\bonce more\b": "again",
}


def sentences_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the docstrings and comments of a module, each with its line."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield getattr(node, "lineno", 1), docstring
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a document that are no code."""
    fenced = False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        fenced ^= line.startswith("```")
        if not (fenced or line.startswith(("    ", "```"))):
            yield number, line


def found_in(texts: Iterator[tuple[int, str]], path: Path) -> list[str]:
    """Return a line for each pattern that a text has, with what to write instead."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {match[0].strip()!r}: {instead}"
        for line, text in texts
        for pattern, instead in PATTERNS.items()
        for match in re.finditer(pattern, " ".join(CODE_SPAN.sub("`", text).split()))
    ]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_and_comments_are_plain(path: Path) -> None:
    assert found_in(sentences_of(path), path) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_are_plain(path: Path) -> None:
    assert found_in(prose_of(path), path) == []


def test_texts_of_the_pages_are_plain() -> None:
    messages = read_po(io.BytesIO(CATALOGUE.read_bytes()))
    texts = ((message.lineno or 0, str(message.id)) for message in messages if message.id)
    assert found_in(texts, CATALOGUE) == []


@pytest.mark.parametrize(
    "text",
    [
        "Whoever sends it waits.",
        "Nobody waits for it.",
        "Redis is away.",
        "What no row names stays.",
        "It is stored. Who asks is answered.",
    ],
)
def test_each_pattern_is_found(text: str) -> None:
    assert any(re.search(pattern, text) for pattern in PATTERNS)


@pytest.mark.parametrize("text", ["What is a preset?", "Return the owner.", "The file `who.py` is read."])
def test_plain_sentences_pass(text: str) -> None:
    assert not any(re.search(pattern, text) for pattern in PATTERNS)
