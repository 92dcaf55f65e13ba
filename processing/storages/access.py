"""Access to files: the site's own user may read them, and a group, such as that of nginx, some of them."""

import grp
import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = 0o007
# The group may list a folder, or read a file.
_LISTED, _READ = 0o750, 0o640


def find_group(name: str) -> int | None:
    """Return the number of a group, given by its name or number; None if there is none of that name."""
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def make(folder: Path, *, group: int | None) -> None:
    """Create a folder unless it exists: for its owner, and for the group to enter it.

    The rights to an existing folder stay, except that the group may enter it, too.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if group is not None and not mode & 0o001:
        with suppress(PermissionError):
            os.chown(folder, -1, group)
            folder.chmod(mode & ~0o070 | 0o010)


def close(path: Path) -> None:
    """Take the rights to an existing file or folder from all others but its owner and its group.

    Leave one that belongs to another user.
    """
    with suppress(PermissionError, FileNotFoundError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            path.chmod(mode & ~_OTHERS)


def share(path: Path, *, group: int) -> None:
    """Let a group read a file, or list a folder, whatever the umask is.

    A network file system may refuse to set the group. The path then stays as it is.
    """
    with suppress(PermissionError, FileNotFoundError):
        os.chown(path, -1, group)
        path.chmod(_LISTED if path.is_dir() else _READ)
