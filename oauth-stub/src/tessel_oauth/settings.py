"""One setting <- one text of the environment: what it is called, means, allows, and how it is read.

A parser turns the text into a value or raises ValueError with the words that follow "allowed:".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Final, TypeVar

from tessel_oauth.errors import ConfigError

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

METADATA_KEY: Final = "setting"
MAX_SECRET_OCTETS: Final = 1024  # of a secret's file: a wrong path may name a disk
MAX_TEXT: Final = 256  # of names and keys: all of a request's must fit its limits
FILE_SUFFIX: Final = "_FILE"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as operators know it. `default` is written as in the environment."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], object]
    secret: bool  # its value is never shown
    from_file: bool  # NAME_FILE may name a file that holds the value

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, self.name + FILE_SUFFIX) if self.from_file else (self.name,)

    def read(self, environ: Mapping[str, str]) -> object:
        """Its value in this environment; raises ConfigError. Set but empty counts as not set."""
        given = [name for name in self.names if environ.get(name)]
        if not given:
            return self.parse(self.default)
        if len(given) > 1:
            raise ConfigError([f"{' and '.join(given)} are both set; allowed: one of them"])
        name, text = given[0], environ[given[0]]
        shown = name if self.secret and name == self.name else f"{name}={text!r}"
        if name != self.name:
            text = _secret_in(Path(text), shown)
        try:
            return self.parse(text)
        except ValueError as error:
            raise ConfigError([f"{shown}; allowed: {error}"]) from None


def setting(
    name: str,
    default: str,
    meaning: str,
    parse: Callable[[str], T],
    *,
    secret: bool = False,
    from_file: bool = False,
) -> T:
    """Declare a field of a frozen dataclass together with the setting it is read from."""
    described = Setting(name, default, meaning, parse, secret, from_file)
    return field(default=parse(default), repr=not secret, metadata={METADATA_KEY: described})


def _secret_in(path: Path, shown: str) -> str:
    """The secret that a file holds, without the line end that editors put behind it."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_SECRET_OCTETS + 1)
    except OSError as error:
        raise ConfigError([f"{shown} cannot be read: {error.strerror}"]) from error
    if len(octets) > MAX_SECRET_OCTETS:
        raise ConfigError([f"{shown} is too large; allowed: {MAX_SECRET_OCTETS} octets"])
    octets = octets.removesuffix(b"\n").removesuffix(b"\r")
    if not octets:
        raise ConfigError([f"{shown} is empty; allowed: a file that holds the secret"])
    return octets.decode("utf-8", "surrogateescape")  # as os.environ has it


# --- parsers


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """Nothing, or what `parse` reads."""
    return lambda text: parse(text) if text else None


def listening_address(text: str) -> str:
    if text == "localhost":
        return "127.0.0.1"  # what it means everywhere, without a look-up
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address; 0.0.0.0 or :: for all interfaces") from None


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() would take '1_000', ' 5 ' and other scripts' digits; ten suffice for any limit.
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return int(text)

    return parse


def one_of(kind: type[E]) -> Callable[[str], E]:
    def parse(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(" or ".join(str(each.value) for each in kind)) from None

    return parse


def printable(text: str) -> str:
    if not text.isprintable() or len(text) > MAX_TEXT:  # surrogates are not printable either
        raise ValueError(f"1 to {MAX_TEXT} printable characters in UTF-8")
    return text


def client_id(text: str) -> str:
    if ":" in text:
        raise ValueError("no colon, at which HTTP Basic parts the id from the secret")
    return printable(text)


def database(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a path, or :memory:")
    return text
