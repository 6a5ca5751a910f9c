"""One setting <- one text of the environment: what it is called, means, allows, and how it is read.

A parser turns the text into a value or raises ValueError with the words that follow "allowed:".
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

Network = IPv4Network | IPv6Network
T = TypeVar("T")
E = TypeVar("E", bound=Enum)

METADATA_KEY = "setting"
MAX_SECRET_OCTETS = 64 * 1024  # a secret's file; a wrong path may name a disk
MAX_SECONDS = 24 * 3600.0
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


def setting(
    name: str, default: str, meaning: str, parse: Callable[[str], T], *, secret: bool = False
) -> T:
    """Declare a field of a frozen dataclass together with the setting it is read from."""
    described = Setting(name, default, meaning, parse, secret)
    return field(default=parse(default), repr=not secret, metadata={METADATA_KEY: described})


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


# --- parsers


def optional(parse: Callable[[str], T]) -> Callable[[str], T | None]:
    """Nothing, or what `parse` reads."""
    return lambda text: parse(text) if text else None


def listening_address(text: str) -> str:
    try:
        return str(ip_address(text)) if text else text
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address, or nothing for all interfaces") from None


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        # int() would take '1_000', ' 5 ' and other scripts' digits; ten suffice for any limit.
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"an integer from {low} to {high}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= MAX_SECONDS:  # NaN is not
        raise ValueError(f"seconds, more than 0 and at most {MAX_SECONDS:.0f}")
    return value


def one_of(kind: type[E]) -> Callable[[str], E]:
    def parse(text: str) -> E:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(" or ".join(str(each.value) for each in kind)) from None

    return parse


def networks(text: str) -> tuple[Network, ...]:
    """Separated by blanks or commas; an address stands for itself alone."""
    return tuple(_network(word) for word in re.split(r"[\s,]+", text) if word)


def _network(word: str) -> Network:
    try:
        return ip_network(word)
    except ValueError:
        pass
    try:
        meant = f"{ip_network(word, strict=False)} rather than {word}"
    except ValueError:
        meant = f"{word!r} is none"
    raise ValueError(f"networks as 10.0.0.0/8 or fd00::/8, or addresses; {meant}")


def path(text: str) -> Path:
    return Path(text)


def passphrase(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def shared_password(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text in UTF-8, as tokens are on the wire") from None
    return text


def plugin_name(text: str) -> str:
    module, colon, name = text.partition(":")
    if not colon or not all(word.isidentifier() for word in [*module.split("."), name]):
        raise ValueError("package.module:callable")
    return text


@dataclass(frozen=True, slots=True)
class TokenService:
    """Where the token service is, and who this proxy is to it."""

    url: str  # without credentials and trailing slash
    client_id: str
    client_secret: str = field(repr=False)


def token_service(text: str) -> TokenService:
    try:
        parts = urlsplit(text)
        port = parts.port  # raises on one that is out of range
    except ValueError:
        raise _bad_service("a URL is malformed") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise _bad_service("scheme or host is missing")
    if not parts.username or not parts.password:
        raise _bad_service("client id or secret is missing")
    if parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise _bad_service("it has more than that")
    where = parts.netloc.rpartition("@")[2]
    return TokenService(
        url=f"{parts.scheme}://{where}{parts.path.rstrip('/')}",
        client_id=unquote(parts.username),
        client_secret=unquote(parts.password),
    )


def _bad_service(why: str) -> ValueError:
    return ValueError(f"http(s)://CLIENT_ID:CLIENT_SECRET@HOST[:PORT][/PATH]; {why}")
