"""benchmarks.system.sender: each photograph has new bytes and the same pixels."""

from io import BytesIO

from PIL import Image

from benchmarks.system.sender import with_comment
from tests.conftest import MakeImage


def test_comment_changes_the_bytes_and_no_pixel(make_image: MakeImage) -> None:
    photograph = make_image()
    first, second = (with_comment(photograph, text) for text in ("ada 1", "ada 2"))
    assert len({photograph, first, second}) == 3
    with Image.open(BytesIO(photograph)) as before, Image.open(BytesIO(first)) as after:
        assert after.info["comment"] == b"ada 1"
        assert after.tobytes() == before.tobytes()
