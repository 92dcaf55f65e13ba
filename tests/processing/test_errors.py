import ast
import pickle
from pathlib import Path

import pytest
from django.conf import settings

from processing.errors import Refusal
from processing.images.reading.refusals import TooManyPixels, UnreadableImage

ROOT = Path(settings.BASE_DIR)
REFUSALS = {kind.__name__ for kind in Refusal.__subclasses__()}


def raised() -> list[ast.Call]:
    """Return every call in the code that creates a refusal."""
    sources = [path.read_text() for app in ("uploads", "processing") for path in (ROOT / app).rglob("*.py")]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [node for node in nodes if isinstance(node.func, ast.Name) and node.func.id in REFUSALS]


def test_refusal_formats_its_sentence() -> None:
    refusal = TooManyPixels("{name} has {width} × {height} pixels.", name="sea.png", width=4, height=3)
    assert str(refusal) == "sea.png has 4 × 3 pixels."


@pytest.mark.parametrize("name", ["{0}.png", "{name}", "100 %s.png"])
def test_file_name_is_not_treated_as_a_template(name: str) -> None:
    assert str(UnreadableImage("{name} is damaged.", name=name)) == f"{name} is damaged."


def test_refusal_can_be_pickled() -> None:
    refusal = pickle.loads(pickle.dumps(UnreadableImage("{name} is damaged.", name="{odd}.png")))
    assert str(refusal) == "{odd}.png is damaged."
    assert refusal.template == "{name} is damaged."


def test_templates_of_refusals_are_literals() -> None:
    assert {"TooLarge", "GaveUp", "UnsupportedFormat"} <= REFUSALS
    calls = raised()
    assert len(calls) >= 10
    assert [ast.unparse(call) for call in calls if not isinstance(call.args[0], ast.Constant)] == []
