"""The texts stay plain English: patterns that read like a translation do not come back."""

import ast
import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from django.conf import settings
from django.template.base import Lexer, TokenType

ROOT = Path(settings.BASE_DIR)
PACKAGES = ("uploads", "processing", "myproject", "deploy", "benchmarks")
CODE = [path for name in (*PACKAGES, "tests") for path in (ROOT / name).rglob("*.py")]
CODE = [path for path in CODE if "migrations" not in path.parts]
CODE += sorted(ROOT.glob("*.py"))
DOCUMENTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
DOCUMENTS += sorted((ROOT / "docs").rglob("*.md"))
TEMPLATES = [path for name in PACKAGES for path in (ROOT / name).rglob("templates/**/*.*")]
CATALOGUE = ROOT / "uploads" / "locale" / "de" / "LC_MESSAGES" / "django.po"
SCRIPTS = [ROOT / name for name in ("Makefile", ".ci/run", ".gitignore", "pyproject.toml")]
for files in (
    "uploads/static/**/*.js",
    "uploads/static/**/*.css",
    "frontend/vendor/*.js",
    "benchmarks/contenders/*.mjs",
    "deploy/*.sh",
    "benchmarks/*.sh",
    "benchmarks/*.in",
    "requirements/*.in",
):
    # Bundles contain the comments of other authors.
    SCRIPTS += sorted(path for path in ROOT.glob(files) if path.parent.parts[-2:] != ("uploads", "vendor"))

CODE_SPAN = re.compile(r"`[^`]+`")
# Lines of comments that follow each other are one comment, so that a sentence may be wrapped.
HASHES = re.compile(r"(?:^[ \t]*#.*\n?)+|(?<=[ \t])# .*", re.MULTILINE)
SLASHES = re.compile(r"(?:^[ \t]*//.*\n?)+|(?<=[ \t])// .*|/\*[\s\S]*?\*/", re.MULTILINE)
COMMENTS = {".js": SLASHES, ".mjs": SLASHES, ".css": SLASHES}
COMMENT_SIGNS = re.compile(r"^[ \t]*(?:#+!?|//|/\*)|\*/", re.MULTILINE)
MARKUP = re.compile(r"<!--|-->|<[^>]*>")

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


def docstrings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the docstrings of a module, each with the line of its object."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield getattr(node, "lineno", 1), docstring


def comments_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments of a file, each with its first line."""
    text = path.read_text()
    for match in COMMENTS.get(path.suffix, HASHES).finditer(text):
        yield line_at(text, match.start()), COMMENT_SIGNS.sub("", match[0])


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the comments, the messages and the text between the tags of a template."""
    page = ""
    for token in Lexer(path.read_text()).tokenize():
        message = re.match(r"translate ([\"'])(.+?)\1", token.contents)
        if token.token_type is TokenType.COMMENT:
            yield token.lineno or 0, token.contents
        elif token.token_type is TokenType.BLOCK and message:
            yield token.lineno or 0, message[2]
        elif token.token_type is TokenType.TEXT:
            page += token.contents
        elif token.token_type is TokenType.VAR:
            page += "`value`"
    start = 0
    for tag in [*MARKUP.finditer(page), None]:
        yield line_at(page, start), page[start : tag.start() if tag else None]
        start = tag.end() if tag else start


def line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a document that are no code."""
    fenced = False
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        fenced ^= line.startswith("```")
        if not (fenced or line.startswith(("    ", "```"))):
            yield number, line


def found_in(texts: Iterable[tuple[int, str]], path: Path) -> list[str]:
    """Return a line for each pattern that a text has, with what to write instead."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {match[0].strip()!r}: {instead}"
        for line, text in texts
        for pattern, instead in PATTERNS.items()
        for match in re.finditer(pattern, " ".join(CODE_SPAN.sub("`", text).split()))
    ]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_docstrings_and_comments_are_plain(path: Path) -> None:
    assert found_in([*docstrings_of(path), *comments_of(path)], path) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_comments_of_scripts_are_plain(path: Path) -> None:
    assert found_in(comments_of(path), path) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_templates_are_plain(path: Path) -> None:
    assert found_in(texts_of(path), path) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_documents_are_plain(path: Path) -> None:
    assert found_in(prose_of(path), path) == []


def test_messages_are_plain() -> None:
    messages = read_po(io.BytesIO(CATALOGUE.read_bytes()))
    texts = ((message.lineno or 0, str(message.id)) for message in messages if message.id)
    assert found_in(texts, CATALOGUE) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("script.js", "let a; // Whoever sends it.\n"),
        ("script.js", "// It is stored. What no\n// row names stays.\n"),
        ("style.css", "a {}\n/* Nobody sees\n   it. */"),
        ("Makefile", "# Redis is away.\n"),
    ],
)
def test_comment_is_found(tmp_path: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / name).write_text(text)
    assert len(found_in(comments_of(tmp_path / name), tmp_path / name)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "<p>\nNobody waits.</p>",
        "<!-- Nobody waits. -->",
        "{# Nobody waits. #}",
        "{% comment %}Nobody waits.{% endcomment %}",
        "<a title=\"{% translate 'Nobody waits' %}\">",
        "{% blocktranslate %}{{ name }}: Nobody waits.{% endblocktranslate %}",
    ],
)
def test_text_of_a_template_is_found(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "page.html").write_text(text)
    assert len(found_in(texts_of(tmp_path / "page.html"), tmp_path / "page.html")) == 1


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
