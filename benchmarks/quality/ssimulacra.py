"""SSIMULACRA2: how well a person would find a compressed picture, up to 100.

About 90 cannot be told from the original at a normal distance, 70 is high and 50 medium quality. The metric
is Cloudinary's (https://github.com/cloudinary/ssimulacra2). It agrees with people's ratings better than SSIM.

The package `ssimulacra2` (BSD, on numpy and scipy) has the constants and steps of the C++ original. It was
chosen because it installs like the peers do. Debian's `libjxl-tools` contains neither `ssimulacra2` nor
`butteraugli_main`, and PyPI and npm have no other build of either. It is slow, three seconds of CPU for each
megapixel, so only some files are judged by it.
"""

from io import BytesIO

import numpy as np
from PIL import Image
from ssimulacra2 import compute_ssimulacra2

from benchmarks.quality.ssim import Pixels


def score_of(reference: Pixels, pixels: Pixels) -> float:
    """Return the SSIMULACRA2 of RGB pixels, 0 to 255."""
    return float(compute_ssimulacra2(_file(reference), _file(pixels)))


def _file(pixels: Pixels) -> BytesIO:
    """Return the pixels as a file, because the package reads files."""
    file = BytesIO()
    Image.fromarray(pixels.round().astype(np.uint8)).save(file, "BMP")
    return file
