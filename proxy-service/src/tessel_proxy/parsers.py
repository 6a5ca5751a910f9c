"""Text of the environment -> typed values.

A parser raises ValueError with the words that follow "allowed:" in the fault's sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from tessel_proxy.settings import Network

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

MAX_SECONDS = 24 * 3600.0


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
    if ":" in unquote(parts.username):  # HTTP Basic parts them there
        raise _bad_service("the client id holds a colon")
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
