"""Primaries: the chromaticities of red, green, blue and white, and conversions between sets of them."""

from typing import NamedTuple

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]
# Chromaticity: CIE 1931 x and y.
Chromaticity = tuple[float, float]

_D65: Chromaticity = (0.3127, 0.3290)
_C: Chromaticity = (0.310, 0.316)
# The white of a profile's connection space (ICC.1:2022, 7.2.16).
_D50: Vector = (0.9642, 1.0, 0.8249)
# The cone responses of Bradford's chromatic adaptation (ICC.1:2022, annex E).
_BRADFORD: Matrix = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


class Primaries(NamedTuple):
    """The chromaticities of a display's colours."""

    red: Chromaticity
    green: Chromaticity
    blue: Chromaticity
    white: Chromaticity = _D65


SRGB = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_NTSC = Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))

# By their numbers in ITU-T H.273, table 2.
PRIMARIES = {
    1: SRGB,
    4: Primaries((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: _NTSC,
    7: _NTSC,
    8: Primaries((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: Primaries((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}


def to_xyz(primaries: Primaries) -> Matrix:
    """Return the matrix from linear RGB to CIE XYZ, adapted to D50.

    Raises `ZeroDivisionError` if the primaries span no colours.
    """
    return product(_to_d50(_xyz(primaries.white)), _to_unadapted_xyz(primaries))


def luminances(primaries: Primaries) -> Vector:
    """Return the shares of red, green and blue in the luminance of white.

    Raises `ZeroDivisionError` if the primaries span no colours.
    """
    return _to_unadapted_xyz(primaries)[1]


def _to_unadapted_xyz(primaries: Primaries) -> Matrix:
    columns = transposed((_xyz(primaries.red), _xyz(primaries.green), _xyz(primaries.blue)))
    red, green, blue = times(inverse(columns), _xyz(primaries.white))
    return product(columns, ((red, 0.0, 0.0), (0.0, green, 0.0), (0.0, 0.0, blue)))


def _xyz(point: Chromaticity) -> Vector:
    x, y = point
    return x / y, 1.0, (1 - x - y) / y


def _to_d50(white: Vector) -> Matrix:
    """Return the matrix that adapts colours seen under `white` to D50, by Bradford's method."""
    (a, b, c), (x, y, z) = times(_BRADFORD, _D50), times(_BRADFORD, white)
    scale = (a / x, 0.0, 0.0), (0.0, b / y, 0.0), (0.0, 0.0, c / z)
    return product(inverse(_BRADFORD), product(scale, _BRADFORD))


def times(matrix: Matrix, vector: Vector) -> Vector:
    """Return the vector multiplied by the matrix."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    x, y, z = vector
    return a * x + b * y + c * z, d * x + e * y + f * z, g * x + h * y + i * z


def product(first: Matrix, second: Matrix) -> Matrix:
    """Return the matrix that applies `second`, and then `first`."""
    one, two, three = transposed(second)
    return transposed((times(first, one), times(first, two), times(first, three)))


def transposed(matrix: Matrix) -> Matrix:
    """Return the transposed matrix."""
    (a, b, c), (d, e, f), (g, h, i) = matrix
    return (a, d, g), (b, e, h), (c, f, i)


def inverse(matrix: Matrix) -> Matrix:
    """Return the inverse matrix.

    Raises `ZeroDivisionError` if there is none.
    """
    one, two, three = matrix
    cofactors = _cross(two, three), _cross(three, one), _cross(one, two)
    determinant = sum(a * b for a, b in zip(one, cofactors[0], strict=True))
    (a, b, c), (d, e, f), (g, h, i) = transposed(cofactors)
    n = 1 / determinant
    return (a * n, b * n, c * n), (d * n, e * n, f * n), (g * n, h * n, i * n)


def _cross(one: Vector, two: Vector) -> Vector:
    (a, b, c), (x, y, z) = one, two
    return b * z - c * y, c * x - a * z, a * y - b * x
