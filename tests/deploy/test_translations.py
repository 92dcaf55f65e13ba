import re
from collections import Counter
from pathlib import Path

import allauth
import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo

from deploy import translations
from deploy.borrowed import BORROWED

pytestmark = pytest.mark.slow

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%[a-z]|\{\w*\}")
# A percent sign that is not a placeholder is followed by a space.
HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'

each_language = pytest.mark.parametrize("path", translations.CATALOGUES, ids=lambda path: path.parts[-3])


@pytest.fixture(scope="module")
def texts() -> Catalog:
    return translations.extract_texts()


def ids(catalog: Catalog) -> set[object]:
    return {(message.context, message.id) for message in catalog if message.id}


def forms(text: object) -> list[str]:
    """Return the forms of a message or a translation: one, or one for each number."""
    return [str(form) for form in (text if isinstance(text, list | tuple) else [text])]


def pairs(catalog: Catalog) -> list[tuple[list[str], list[str]]]:
    return sorted((forms(message.id), forms(message.string)) for message in catalog if message.id)


def has_other_placeholders(message: Message) -> bool:
    wanted = Counter(PLACEHOLDER.findall(forms(message.id)[-1]))
    return any(Counter(PLACEHOLDER.findall(form)) != wanted for form in forms(message.string))


def test_german_catalogue_exists() -> None:
    assert "de" in [path.parts[-3] for path in translations.CATALOGUES]


@each_language
def test_catalogue_contains_exactly_the_messages_of_the_code(path: Path, texts: Catalog) -> None:
    catalog = translations.read_catalogue(path)
    assert ids(texts) - ids(catalog) == set(), "run `make messages` and translate what is new"
    assert ids(catalog) - ids(texts) == set(), "run `make messages`"
    assert not catalog.obsolete


@each_language
def test_every_message_is_translated(path: Path) -> None:
    catalog = translations.read_catalogue(path)
    rows = [message for message in catalog if message.id]
    assert [row.id for row in rows if not all(forms(row.string))] == []
    assert [row.id for row in rows if row.fuzzy] == [], "look at it, and remove the word `fuzzy`"
    plurals = [row for row in rows if row.pluralizable]
    assert [row.id for row in plurals if len(forms(row.string)) != catalog.num_plurals] == []


@each_language
def test_translations_have_the_placeholders_of_their_message(path: Path) -> None:
    catalog = translations.read_catalogue(path)
    assert [message.id for message in catalog if message.id and has_other_placeholders(message)] == []


@each_language
def test_update_of_a_current_catalogue_changes_nothing(path: Path) -> None:
    assert translations.updated(path) == path.read_text()


@each_language
def test_compiled_catalogue_equals_its_source(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as file:
        compiled = read_mo(file)
    assert pairs(compiled) == pairs(translations.read_catalogue(path)), "run `make check`, which compiles it"


def test_messages_are_extracted_from_templates_and_code(texts: Catalog) -> None:
    found = {message.id for message in texts}
    assert "Sign out" in found  # a template tag
    assert "Make private" in found  # an argument of a template tag
    assert ("%(number)s attempt", "%(number)s attempts") in found  # a block with a plural
    assert "%(filename)s is ready" in found  # a call in code
    assert "anyone with the link" in found  # a lazy call
    assert "{name} is larger than {limit} MB. Upload a smaller file." in found  # a refusal
    assert "a Photoshop file" in found  # a phrase inside a refusal


def test_copied_messages_still_exist_in_allauth() -> None:
    theirs = Path(allauth.__file__).parent / "locale" / "de" / "LC_MESSAGES" / "django.po"
    assert {*BORROWED} <= {message.id for message in translations.read_catalogue(theirs)}


def test_update_keeps_translations_and_marks_similar_ones_fuzzy(tmp_path: Path) -> None:
    path = tmp_path / "de" / "LC_MESSAGES" / "django.po"
    path.parent.mkdir(parents=True)
    entries = ("Sign out", "Abmelden"), ("Sign outt!", "Weg"), ("Choose some images", "Bilder wählen")
    path.write_text(HEADER + "\n".join(f'msgid "{id}"\nmsgstr "{string}"\n' for id, string in entries))
    path.write_text(translations.updated(path))
    catalog = translations.read_catalogue(path)
    assert catalog["Sign out"].string == "Abmelden"
    assert "Sign outt!" not in catalog
    assert catalog["Choose images"].fuzzy
    assert not catalog["Webhooks"].string


def test_different_placeholders_are_detected() -> None:
    assert has_other_placeholders(Message("%(name)s is ready", "%(nam)s ist fertig"))
    assert has_other_placeholders(Message(("%d image", "%d images"), ("Ein Bild", "%d Bilder")))
    assert not has_other_placeholders(Message("{percent} % uploaded", "{percent} % hochgeladen"))
