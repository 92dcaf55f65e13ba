"""Translations: extract texts from the code, keep one catalogue per language, compile them for Django.

`python -m deploy.translations` compiles the catalogues. With `--update` it first updates them from the code.
GNU gettext is not needed: Babel reads Python, and Django turns a template into Python that Babel can read.
"""

import re
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

from deploy.borrowed import BORROWED

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = [ROOT / name for name in ("myproject", "processing", "uploads")]
CATALOGUES = sorted(ROOT.glob("uploads/locale/*/LC_MESSAGES/django.po"))

_KEYWORDS = {
    **DEFAULT_KEYWORDS,
    "gettext_lazy": None,
    "ngettext_lazy": (1, 2),
    "pgettext_lazy": ((1, "c"), 2),
    "Phrase": None,
}
# Without dates, versions or source locations, a catalogue changes only if a text does.
_HEADER = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: {plural_forms}\\n"

"""


def read_catalogue(path: Path) -> Catalog:
    """Return the catalogue of a language."""
    return read_po(BytesIO(path.read_bytes()), locale=path.parent.parent.name)


def extract_texts() -> Catalog:
    """Return every text of the code and of the templates, without translations."""
    catalog = Catalog()
    code = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
    keywords = {**_KEYWORDS, **dict.fromkeys(_refusals(code))}
    templates = [path for package in PACKAGES for path in sorted(package.glob("templates/**/*.*"))]
    for source in (*(path.read_text() for path in code), *map(_as_python, templates)):
        found = extract("python", BytesIO(source.encode()), keywords, options={"encoding": "utf-8"})
        for _line, text, _comments, context in found:
            catalog.add(text, context=context)
    for text in BORROWED:
        catalog.add(text)
    return catalog


def updated(path: Path) -> str:
    """Return a catalogue with the current texts of the code.

    A text that resembles a former one gets its translation, marked as fuzzy for a translator to check.
    """
    catalog = read_catalogue(path)
    catalog.update(extract_texts())
    output = BytesIO()
    write_po(output, catalog, width=110, omit_header=True, sort_output=True, ignore_obsolete=True)
    return _HEADER.format(plural_forms=catalog.plural_forms) + output.getvalue().decode()


def compile_catalogue(path: Path) -> None:
    """Compile a catalogue and replace the file atomically, because a process may be reading it."""
    compiled, temporary = path.with_suffix(".mo"), path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        write_mo(file, read_catalogue(path))
    temporary.replace(compiled)


def main() -> None:
    """Run the command line."""
    for path in CATALOGUES:
        if "--update" in sys.argv:
            path.write_text(updated(path))
        compile_catalogue(path)


def _refusals(code: list[Path]) -> Iterator[str]:
    """Yield the names of the refusals, whose first argument is a text."""
    for path in code:
        yield from re.findall(r"^class (\w+)\(Refusal\):", path.read_text(), re.MULTILINE)


def _as_python(template: Path) -> str:
    """Return the texts of a template as calls, unindented so that they are valid Python."""
    return "\n".join(line.lstrip() for line in templatize(template.read_text()).splitlines()) + "\n"


if __name__ == "__main__":
    main()
