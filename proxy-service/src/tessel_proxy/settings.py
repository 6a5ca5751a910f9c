"""A setting: what it is called and means, and its value in an environment, or why it has none."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
Network = IPv4Network | IPv6Network  # an entry of EGRESS_ALLOW

METADATA_KEY = "setting"
MAX_SECRET_OCTETS = 64 * 1024  # a secret's file; a wrong path may name a disk
HELP_COLUMNS = 98
LOOKALIKE = 0.85  # AUTH_HARDCODE is one of ours misspelt, SSL_CERT_FILE is somebody else's
FILE_SUFFIX = "_FILE"


class ConfigError(Exception):
    """The settings cannot be used as they are; `faults` has a sentence for each reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting as operators know it. `default` is written as in the environment."""

    name: str
    default: str
    meaning: str
    parse: Callable[[str], object]
    secret: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All variables that set it: a secret may come from a file as well."""
        return (self.name, self.name + FILE_SUFFIX) if self.secret else (self.name,)

    def read(self, environ: Mapping[str, str]) -> object:
        """Its value in this environment; raises ConfigError. Set but empty counts as not set."""
        given = [name for name in self.names if environ.get(name)]
        if len(given) > 1:
            raise ConfigError([f"{' and '.join(given)} are both set; allowed: one of them"])
        if not given:
            return self.parse(self.default)
        text = environ[given[0]]
        source = f"{given[0]}={text!r}"
        if self.secret:
            source = given[0]  # its value is never shown
            if source != self.name:
                source += f"={text!r}"
                text = _secret_in(Path(text), source)
        try:
            return self.parse(text)
        except ValueError as error:
            raise ConfigError([f"{source}; allowed: {error}"]) from None

    def show(self, value: object) -> str:
        """A value as an operator may see it."""
        if value is None:
            return ""
        if self.secret:
            return "(set)"
        if isinstance(value, tuple):
            return " ".join(map(str, value))
        return f"{value:g}" if isinstance(value, float) else str(value)


def setting(
    name: str, default: str, meaning: str, parse: Callable[[str], T], *, secret: bool = False
) -> T:
    """Declare a field of a frozen dataclass together with the setting it is read from."""
    described = Setting(name, default, meaning, parse, secret)
    return field(default=parse(default), repr=not secret, metadata={METADATA_KEY: described})


def described(settings: tuple[Setting, ...]) -> str:
    """The table of settings as `--help` shows it."""
    width = max(len(each.name) for each in settings) + 4
    indent = " " * width
    paragraphs = []
    for each in settings:
        more = [f"default: {each.default}"] if each.default else []
        more += [f"or from a file: {each.name + FILE_SUFFIX}"] if each.secret else []
        text = each.meaning + (f" ({'; '.join(more)})" if more else "")
        head = f"  {each.name}".ljust(width)
        paragraphs.append(
            textwrap.fill(
                text,
                HELP_COLUMNS,
                initial_indent=head,
                subsequent_indent=indent,
                break_on_hyphens=False,
            )
        )
    return "\n".join(paragraphs)


def lookalikes(environ: Mapping[str, str], settings: tuple[Setting, ...]) -> list[str]:
    """A hint for each variable that is not one of the settings but was probably meant to be."""
    known = [name for each in settings for name in each.names]
    hints = []
    for name in sorted(set(environ) - set(known)):
        plain = name.removesuffix(FILE_SUFFIX)
        if plain in known:
            hints.append(f"{name} is not a setting: {plain} cannot be read from a file")
        elif close := get_close_matches(name, known, n=1, cutoff=LOOKALIKE):
            hints.append(f"{name} is not a setting: is {close[0]} meant?")
    return hints


def _secret_in(path: Path, source: str) -> str:
    """The secret that a file holds, without the line end that editors put behind it."""
    try:
        with path.open("rb") as file:
            octets = file.read(MAX_SECRET_OCTETS + 1)
    except OSError as error:
        raise ConfigError([f"{source} cannot be read: {error.strerror}"]) from error
    if len(octets) > MAX_SECRET_OCTETS:
        raise ConfigError([f"{source} is too large; allowed: {MAX_SECRET_OCTETS} octets"])
    octets = octets.removesuffix(b"\n").removesuffix(b"\r")
    if not octets:
        raise ConfigError([f"{source} is empty; allowed: a file that holds the secret"])
    return octets.decode("utf-8", "surrogateescape")  # as os.environ has it
