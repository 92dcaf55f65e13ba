"""Elements: the parts of an ICC profile that LittleCMS applies one after the other to every colour.

A profile's tag of the type `mpet` may list any number of them, and list the same one again: LittleCMS then
works for minutes on a profile of some kilobytes. Honest profiles have a handful, of a few curves.
"""

from struct import error, pack_into, unpack_from

_HEADER = 128
# Elements and segments of their curves. Measured: so many take LittleCMS half a second.
_MOST = 1000
# Profiles have some twenty tags; LittleCMS refuses more than a hundred.
_MOST_TAGS = 100
_HIDDEN = b"\0\0\0\0"


def without_many_elements(profile: bytes) -> bytes:
    """Return the profile, with its tags of too many elements hidden (ICC.1:2022, 10.16 and 7.3).

    Such a tag is only an alternative to others that a profile has to have.
    """
    found = bytearray(profile)
    try:
        (count,) = unpack_from(">I", profile, _HEADER)
        for number in range(min(count, _MOST_TAGS)):
            entry = _HEADER + 4 + 12 * number
            (place,) = unpack_from(">I", profile, entry + 4)
            if profile[place : place + 4] == b"mpet" and _elements(profile, place) > _MOST:
                pack_into(">4s", found, entry, _HIDDEN)
    except error:
        # LittleCMS refuses a broken table of tags.
        return profile
    return bytes(found)


def _elements(profile: bytes, tag: int) -> int:
    """Return the number of elements and segments in a tag; more than `_MOST` if it is broken."""
    total = 0
    try:
        (count,) = unpack_from(">I", profile, tag + 12)
        for number in range(min(count, _MOST + 1)):
            (offset,) = unpack_from(">I", profile, tag + 16 + 8 * number)
            total += 1 + _segments(profile, tag + offset)
            if total > _MOST:
                break
    except error:
        return _MOST + 1
    return total


def _segments(profile: bytes, element: int) -> int:
    """Return the number of curves and segments in a set (ICC.1:2022, 10.16.2), or 0 for another element."""
    if profile[element : element + 4] != b"cvst":
        return 0
    curves: int = unpack_from(">H", profile, element + 8)[0]
    if curves > _MOST:
        return curves
    offsets = (unpack_from(">I", profile, element + 12 + 8 * number)[0] for number in range(curves))
    return sum(max(1, unpack_from(">H", profile, element + offset + 8)[0]) for offset in offsets)
