"""Draws landscapes from seeds, for the tests and screenshots of the pages."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

# One number per pixel. Positions are in heights of the picture, colours are from 0 to 1.
Plane = npt.NDArray[np.floating]

# Each palette: the top of the sky, the horizon, the far and the near land, the light.
PALETTES = (
    ("#20365f", "#f3b27a", "#8f6f86", "#1d1a33", "#ffe3b0"),  # evening
    ("#6fa8d6", "#f4ead8", "#a9c0c4", "#2d4a3e", "#fff6dd"),  # noon
    ("#3b1d4a", "#ff8c61", "#b0486a", "#2a1030", "#ffd28a"),  # red dusk
    ("#b9cfd8", "#f6efe6", "#b4c4c9", "#56707a", "#ffffff"),  # mist
    ("#0d1730", "#345a78", "#23405c", "#070d1c", "#e9f1ff"),  # night
    ("#5aa0a8", "#ffe6b3", "#d79a5b", "#8a4526", "#fff2c9"),  # desert
)
SHAPES = ((3, 2), (4, 3), (2, 3), (16, 9), (1, 1), (3, 4), (5, 2))
# The smoothness and the number of ridges of each scene. A sea has one distant ridge.
SCENES = {"hills": (1.1, 6), "sea": (1.1, 1), "dunes": (2.2, 4)}


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """A canvas: the colour and the position of each pixel."""

    colors: Plane
    down: Plane
    across: Plane

    def lay(self, color: Plane, share: Plane) -> None:
        """Blend a colour into each pixel, with an opacity for each."""
        self.colors[...] += (color - self.colors) * share[..., None]


def draw(*, scene: str, seed: int, width: int, height: int) -> Image.Image:
    """Draw hills, a sea or dunes under a sun, with the grain of film."""
    chance = np.random.default_rng(seed)
    top, low, far, near, light = (_color(text) for text in PALETTES[(seed + seed // 6) % len(PALETTES)])
    down = np.arange(height, dtype=np.float32)[:, None] / np.float32(height)
    across = np.arange(width, dtype=np.float32)[None, :] / np.float32(height)
    colors = np.broadcast_to(top, (height, width, 3)).copy()
    canvas = Canvas(colors=colors, down=down, across=across)
    horizon, sun = chance.uniform(0.45, 0.62), chance.uniform(0.2, 0.8) * width / height
    canvas.lay(low, (down / horizon).clip(0, 1) ** 1.4)
    _shine(canvas, light, x=sun, y=horizon * chance.uniform(0.35, 0.85))
    smoothness, ridges = SCENES[scene]
    for depth in np.linspace(0, 1, ridges):
        ridge = _ridge(across, chance, smoothness=smoothness) * (0.06 if ridges > 1 else 0.02)
        _stand(canvas, far + (near - far) * depth, low, edge=horizon + 0.42 * depth**1.3 + ridge, depth=depth)
    if scene == "sea":
        _flood(canvas, (low, near, light), horizon=horizon + 0.02, sun=sun)
    canvas.colors[...] += 0.012 * chance.standard_normal((height, width, 1), dtype=np.float32)
    return Image.fromarray((canvas.colors.clip(0, 1) * 255).astype(np.uint8))


def write(folder: Path, *, count: int, side: int, first_seed: int = 0) -> list[Path]:
    """Write JPEGs of several shapes with longer sides of this length. Return their paths."""
    return [_write_one(folder, seed=first_seed + number, side=side) for number in range(count)]


def _write_one(folder: Path, *, seed: int, side: int) -> Path:
    across, down = SHAPES[seed % len(SHAPES)]
    scale = side / max(across, down)
    scene = list(SCENES)[seed % len(SCENES)]
    path = folder / f"{scene}-{seed:03}.jpg"
    picture = draw(scene=scene, seed=seed, width=round(across * scale), height=round(down * scale))
    picture.save(path, quality=90)
    return path


def _color(text: str) -> Plane:
    return np.array([int(text[start : start + 2], 16) for start in (1, 3, 5)], dtype=np.float32) / 255


def _shine(canvas: Canvas, light: Plane, *, x: float, y: float) -> None:
    """Draw the sun and the glow around it."""
    distance = np.hypot(canvas.across - x, canvas.down - y)
    canvas.lay(light, np.maximum(0.65 * np.exp(-distance * 5), ((0.055 - distance) * 300).clip(0, 1)))


def _ridge(across: Plane, chance: np.random.Generator, *, smoothness: float) -> Plane:
    """Return a line: the sum of waves of decreasing length and height."""
    waves = np.arange(1, 9)
    heights = chance.uniform(0.5, 1, 8) / waves**smoothness
    phases = chance.uniform(0, 2 * np.pi, 8)
    line: Plane = (heights * np.sin(across[..., None] * waves * 2.7 + phases)).sum(axis=2, dtype=np.float32)
    return line


def _stand(canvas: Canvas, color: Plane, mist: Plane, *, edge: Plane, depth: float) -> None:
    """Draw a ridge from its edge down. It fades into mist at its foot, more so if it is distant."""
    below = canvas.down - edge
    share = (below * 2.2).clip(0, 0.45 * (1 - depth))
    covered = (below * 400).clip(0, 1)
    canvas.lay(color + (mist - color) * share[..., None], covered)


def _flood(canvas: Canvas, colors: tuple[Plane, Plane, Plane], *, horizon: float, sun: float) -> None:
    """Draw a sea in the foreground with the sun's light on its waves."""
    far, near, light = colors
    depth = ((canvas.down - horizon) / (1 - horizon)).clip(0.001, 1)
    swell = np.sin(90 / (depth + 0.25) + 2.5 * np.sin(canvas.across * 14 / (depth + 0.3)) + canvas.across * 5)
    path = np.exp(-(((canvas.across - sun) / (0.05 + 0.35 * depth)) ** 2))
    water = far + (near - far) * (depth**0.6)[..., None]
    glitter = 0.1 * swell.clip(0, 1) + 0.6 * path * (4 * swell - 2).clip(0, 1)
    canvas.lay(water + (light - water) * glitter[..., None], (canvas.down > horizon).astype(np.float32))
