"""The documentation names every setting, command, option, event and error code, and its links work."""

import ast
import dataclasses
import io
import re
from argparse import Action
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand

from processing import conf
from processing.conf import darkroom
from processing.presets import FORMATS, MODES, Preset
from uploads import testing
from uploads.hooks import Candidate, Refused
from uploads.models import Event, Upload
from uploads.testing import fixtures

ROOT = Path(settings.BASE_DIR)
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OUR_APPS = ("uploads", "processing")
OUR_CODE = [path for app in OUR_APPS for path in sorted((ROOT / app).rglob("*.py"))]
COMMANDS = [name for name, app in get_commands().items() if app in OUR_APPS]
# `tests/x.py::test_y`, or only `::test_y` for the file that was named last.
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)?((?:::\w+)+)?`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def undocumented(names: Iterable[str], *documents: str) -> list[str]:
    """Return the names that appear as code in none of the documents."""
    text = "\n".join((ROOT / "docs" / document).read_text() for document in documents)
    marked = " ".join(re.findall(r"`([^`]+)`", text))
    return [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", marked)]


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))


def is_read_of_environment(call: ast.Call) -> bool:
    """Return whether a call is `env.str("NAME")`, `env("NAME")` or `os.environ.get("NAME")`."""
    return re.fullmatch(r"env(\.\w+)?|os\.(environ\.get|getenv)", ast.unparse(call.func)) is not None


def environment_variables(*paths: Path) -> set[str]:
    return {
        call.args[0].value
        for path in paths
        for call in calls(path)
        if is_read_of_environment(call)
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def error_codes() -> set[str]:
    """Return every `code` of a refusal or a problem, given as a keyword, default or attribute."""
    text = "\n".join(path.read_text() for path in OUR_CODE)
    given = set(re.findall(r"""\bcode(?:: str)? ?= ?"(\w+)"|"code": "(\w+)\"""", text))
    by_exception = set(re.findall(r"exceptions\.\w+: \"(\w+)\"", text))
    fallback = set(re.findall(r"_CODES\.get\([^)]*\), \"(\w+)\"", text))
    return {code for pair in given for code in pair if code} | by_exception | fallback


def options_of(command: BaseCommand) -> list[str]:
    """Return the options of a command, and the metavars of its positional arguments, without Django's own."""
    ours = command.create_parser("manage.py", "")._actions
    django = {action.dest for action in BaseCommand().create_parser("manage.py", "")._actions}
    return [name for action in ours if action.dest not in django for name in names_of(action)]


def names_of(action: Action) -> list[str]:
    return list(action.option_strings) or str(action.metavar or action.dest).split(" or ")


def make_targets() -> list[str]:
    return re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_environment_variable_is_documented() -> None:
    names = environment_variables(
        *sorted((ROOT / "myproject" / "settings").glob("*.py")), *sorted((ROOT / "deploy").glob("*.py"))
    )
    assert {"SECRET_KEY", "PORT", "DEBUG", "EMAIL_URL", "FLOWER_PORT"} <= names
    assert undocumented(names, "settings.md") == []


def test_every_darkroom_setting_is_documented() -> None:
    assert undocumented(conf.defaults(), "settings.md") == []


def test_every_field_mode_and_format_of_a_preset_is_documented() -> None:
    fields = [field.name for field in dataclasses.fields(Preset)]
    assert undocumented([*fields, *MODES, *FORMATS], "presets.md") == []


def test_documented_presets_are_the_defaults() -> None:
    example = re.search(r'"PRESETS": (\{.*?\n    \}),', (ROOT / "docs" / "presets.md").read_text(), re.DOTALL)
    assert example is not None
    assert ast.literal_eval(example[1]) == darkroom().presets


def test_every_command_is_documented() -> None:
    headings = HEADING.findall((ROOT / "docs" / "commands.md").read_text())
    assert "drf_create_token" in COMMANDS
    assert set(COMMANDS) <= set(headings)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_documented(name: str) -> None:
    options = options_of(load_command_class(get_commands()[name], name))
    if name == "drf_create_token":
        options = [option for option in options if option.startswith("-")]
    assert undocumented(options, "commands.md") == []


def test_every_task_is_documented() -> None:
    tasks = current_app.tasks.items()
    names = [name for name, task in tasks if task.__module__.partition(".")[0] in OUR_APPS]
    assert {"processing.tasks.resize_image", "uploads.recurring.sweep"} <= set(names)
    assert undocumented(names, "celery.md") == []


def test_every_make_target_is_documented() -> None:
    assert {"run", "test", "test-fast", "check", "help"} <= set(make_targets())
    assert undocumented((f"make {target}" for target in make_targets()), "commands.md") == []


def test_every_event_and_status_is_documented() -> None:
    names = [*Event.Name.values, *Upload.Status.values, *Upload.Visibility.values]
    assert undocumented(names, "api.md") == []


def test_every_error_code_is_documented() -> None:
    codes = error_codes()
    assert {
        "too_large",
        "original_lost",
        "no_such_preset",
        "rate_limited",
        "csrf_failed",
        "error",
    } <= codes
    assert undocumented(codes, "api.md", "commands.md") == []


def names_of_tests(*paths: Path) -> set[str]:
    """Return the names of the tests in these files."""
    return {
        name for path in paths for name in re.findall(r"^ *def (test_\w+)", path.read_text(), re.MULTILINE)
    }


def test_every_fault_test_is_documented_and_exists() -> None:
    documented = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / "reliability.md").read_text()))
    of_tools = {"test_promise", "test_soak"}
    faults = [path for path in (ROOT / "tests" / "faults").glob("test_*.py") if path.stem not in of_tools]
    assert names_of_tests(*faults) <= documented
    assert documented <= names_of_tests(*(ROOT / "tests").rglob("test_*.py"))


def test_every_test_named_in_security_exists() -> None:
    missing, path = [], ""
    for named, names in NAMED_TEST.findall((ROOT / "docs" / "security.md").read_text()):
        path = named or path
        source = (ROOT / path).read_text()
        there = set(re.findall(r"^ *(?:async )?(?:def|class) (\w+)", source, re.MULTILINE))
        missing += [f"{path}::{name}" for name in names.split("::") if name and name not in there]
    assert path
    assert missing == []


def links() -> Iterator[tuple[Path, str]]:
    for document in DOCUMENTS:
        for target in LINK.findall(document.read_text()):
            if not re.match(r"[a-z]+:", target):
                yield document, target


def anchors(document: Path) -> set[str]:
    """Return the anchors that are made from the headings of a document."""
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(document.read_text()))
    return {text.replace(" ", "-") for text in words}


def test_every_link_has_a_target() -> None:
    broken = []
    for document, target in links():
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert broken == []


def test_index_links_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / target).resolve() for document, target in links() if document == index}
    # Each of these pages is linked from the page of the group, coming-from.md.
    group = set((ROOT / "docs").glob("coming-from-*.md"))
    assert set((ROOT / "docs").glob("*.md")) - group - {index} <= linked


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_documents_contain_no_local_path(document: Path) -> None:
    assert str(ROOT) not in document.read_text()


def test_every_helper_for_tests_is_documented() -> None:
    names = [*testing.__all__, *re.findall(r"^def (\w+)", Path(fixtures.__file__).read_text(), re.MULTILINE)]
    assert "tiny_file" in names
    text = (ROOT / "docs" / "testing.md").read_text()
    assert [name for name in names if not re.search(rf"`{name}\b", text)] == []


def test_documented_hook_works() -> None:
    text = (ROOT / "docs" / "hooks.md").read_text()
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def " in block)
    names: dict[str, Any] = {}
    exec(code, names)
    fields: dict[str, Any] = {
        "content_hash": "",
        "width": 1170,
        "height": 2532,
        "byte_size": 1,
        "file": io.BytesIO(b"x"),
    }
    names["no_screenshots"](Candidate(format="jpeg", **fields))
    with pytest.raises(Refused, match="Upload a photo"):
        names["no_screenshots"](Candidate(format="png", **fields))
