"""Mutations: random broken files, which are reproducible by seed and number."""

from collections.abc import Callable, Sequence
from random import Random

# Most lengths and offsets that a parser trusts are at the beginning.
_BEGINNING = 2048
_LONGEST_PIECE = 4096
_EXTREMES = [bytes(4), b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff", b"\0\1"]


def mutated(seeds: Sequence[bytes], *, seed: int, number: int) -> bytes:
    """Return the file with this number: one of the seeds with one to four mutations."""
    random = Random(f"{seed}/{number}")
    data = bytearray(random.choice(seeds))
    for _ in range(random.randint(1, 4)):
        random.choice(_MUTATORS)(random, data)
    if random.random() < 0.1:
        data = _spliced(random, data, random.choice(seeds))
    return bytes(data)


def _place(random: Random, data: bytearray) -> int:
    """Return a random position in the file, half of the time near its beginning."""
    return random.randrange(max(1, min(len(data), random.choice([_BEGINNING, len(data)]))))


def _flip_bits(random: Random, data: bytearray) -> None:
    for _ in range(random.randint(1, 16) if data else 0):
        data[_place(random, data)] ^= 1 << random.randrange(8)


def _set_bytes(random: Random, data: bytearray) -> None:
    place = _place(random, data)
    new = random.randbytes(random.randint(1, 32))
    data[place : place + len(new)] = new


def _tamper_length(random: Random, data: bytearray) -> None:
    """Write an extreme value where a length may be."""
    place, extreme = _place(random, data), random.choice(_EXTREMES)
    data[place : place + len(extreme)] = extreme


def _delete_piece(random: Random, data: bytearray) -> None:
    place = _place(random, data)
    del data[place : place + random.randint(1, _LONGEST_PIECE)]


def _repeat_piece(random: Random, data: bytearray) -> None:
    place = _place(random, data)
    piece = data[place : place + random.randint(1, _LONGEST_PIECE)]
    data[place:place] = piece * random.randint(1, 8)


def _truncate(random: Random, data: bytearray) -> None:
    del data[random.randint(0, len(data)) :]


def _append_junk(random: Random, data: bytearray) -> None:
    data += random.randbytes(random.randint(1, _LONGEST_PIECE))


def _spliced(random: Random, data: bytearray, other: bytes) -> bytearray:
    """Return the beginning of one file and the end of another."""
    return data[: _place(random, data)] + other[random.randint(0, len(other)) :]


_MUTATORS: list[Callable[[Random, bytearray], None]] = [
    _flip_bits,
    _flip_bits,
    _set_bytes,
    _tamper_length,
    _delete_piece,
    _repeat_piece,
    _truncate,
    _append_junk,
]
