"""The environment variables, in which a blank value counts as unset."""

import builtins
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import environ

Value = TypeVar("Value")

_YES = ("1", "true", "yes", "on", "y", "ok")
_NO = ("0", "false", "no", "off", "n")
_DATABASES = ("postgresql", "postgres", "pgsql", "psql", "sqlite")
_MAIL = ("smtp", "smtps", "smtp+tls", "smtp+ssl")
# Mail without a server, for development.
_MAIL_WITHOUT_HOST = ("consolemail", "filemail", "memorymail", "dummymail")


class Variables:
    """The variables of the environment and of a file such as `.env`, converted.

    A wrong value is replaced by the default, until `refuse_wrong` ends the process and names all of them.
    """

    def __init__(self, file: Path) -> None:
        self._wrong: dict[builtins.str, builtins.str] = {}
        # A blank variable of a compose file must not hide the one of `.env`.
        drop_blank()
        if file.exists():
            environ.Env.read_env(file)
        drop_blank()

    def str(self, name: builtins.str, *, default: builtins.str = "") -> builtins.str:
        """Return a text."""
        return os.environ.get(name, default)

    def int(self, name: builtins.str, *, default: builtins.int) -> builtins.int:
        """Return a whole number."""
        return self._read(name, builtins.int, default, "must be a whole number")

    def float(self, name: builtins.str, *, default: builtins.float) -> builtins.float:
        """Return a number."""
        return self._read(name, builtins.float, default, "must be a number")

    def bool(self, name: builtins.str, *, default: builtins.bool = False) -> builtins.bool:
        """Return whether a setting is on."""
        return self._read(name, _yes_or_no, default, "must be 1 (yes, true, on) or 0 (no, false, off)")

    def list(self, name: builtins.str, *, default: Sequence[builtins.str]) -> builtins.list[builtins.str]:
        """Return the items of a text with commas."""
        items = [item.strip() for item in os.environ.get(name, "").split(",")]
        return [item for item in items if item] or [*default]

    def choice(
        self, name: builtins.str, *, default: builtins.str, choices: Sequence[builtins.str]
    ) -> builtins.str:
        """Return one of the choices, which are in upper case."""
        wanted = f"must be {', '.join(choices[:-1])} or {choices[-1]}"
        return self._read(name, lambda text: choices[choices.index(text.upper())], default, wanted)

    def db_url(self, name: builtins.str, *, default: builtins.str) -> dict[builtins.str, Any]:
        """Return the database of a URL, as Django's settings describe it."""
        wanted = "must be such as postgresql://user:password@host:5432/name or sqlite:////folder/file"
        # The URL may contain a password, so it is not shown.
        return self._read(name, _database, _database(default), wanted, shown=False)

    def email_url(self, name: builtins.str) -> dict[builtins.str, Any]:
        """Return Django's settings for the mail server of a URL; without one, mail is kept in memory."""
        wanted = "must be such as smtp+tls://user:password@host:587, smtp+ssl://… or smtp://…"
        return self._read(name, _mail, _mail("memorymail://"), wanted, shown=False)

    def refuse_wrong(self) -> None:
        """End the process with a sentence for each variable that has a wrong value."""
        if self._wrong:
            raise SystemExit("\n".join(["Darkroom does not start:", *self._wrong.values()]))

    def _read(
        self,
        name: builtins.str,
        convert: Callable[[builtins.str], Value],
        default: Value,
        wanted: builtins.str,
        *,
        shown: builtins.bool = True,
    ) -> Value:
        text = os.environ.get(name)
        if text is None:
            return default
        try:
            return convert(text.strip())
        except ValueError:
            self._wrong[name] = f"{name} is {text!r}; it {wanted}." if shown else f"{name} {wanted}."
            return default


def drop_blank() -> None:
    """Unset each blank variable of this process, so that Darkroom, boto3 and others see none."""
    for name in [name for name, value in os.environ.items() if not value.strip()]:
        del os.environ[name]


def _yes_or_no(text: str) -> bool:
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise ValueError(text)


def _database(url: str) -> dict[str, Any]:
    if urlsplit(url).scheme not in _DATABASES:
        raise ValueError(url)
    found: dict[str, Any] = environ.Env.db_url_config(url)
    if not (found["NAME"] or found.get("OPTIONS")):
        raise ValueError(url)
    return found


def _mail(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    if parts.scheme not in _MAIL_WITHOUT_HOST and not (parts.scheme in _MAIL and parts.hostname):
        raise ValueError(url)
    found: dict[str, Any] = environ.Env.email_url_config(url)
    return found
