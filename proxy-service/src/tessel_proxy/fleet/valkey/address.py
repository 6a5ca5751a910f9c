"""The address of the fleet's engine: the parts of FLEET_URL. Nothing here connects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from twisted.internet.interfaces import IReactorPluggableNameResolver, IReactorTCP, IReactorTime

PORT: Final = 6379
SENTINEL_PORT: Final = 26_379
MAX_DATABASE: Final = 99_999
"""Servers have 16 databases, unless their setting says more."""

_SCHEMES: Final = {"valkey": False, "redis": False, "valkeys": True, "rediss": True}
_SENTINEL: Final = "+sentinel"

_FORM: Final = (
    "valkey://[USER@]HOST[:PORT][/DATABASE], valkeys:// for TLS, or "
    "valkey+sentinel://[USER@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/DATABASE]"
)


class IEngineReactor(IReactorTCP, IReactorPluggableNameResolver, IReactorTime):
    """The reactor interfaces that a connection to the engine uses."""


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """The engine's place.

    `hosts` are hosts and ports: of the engine itself (one), or of the Sentinels that know where the
    primary of `service` is. `user` empty: the server's default user.
    """

    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    user: str = ""
    database: int = 0
    service: str | None = None

    def __str__(self) -> str:
        """Return the URL, as the log shows it."""
        scheme = ("valkeys" if self.tls else "valkey") + (_SENTINEL if self.service else "")
        user = f"{self.user}@" if self.user else ""
        places = ",".join(_place(host, port) for host, port in self.hosts)
        service = f"/{self.service}" if self.service else ""
        return f"{scheme}://{user}{places}{service}/{self.database}"


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def engine_address(text: str) -> EngineAddress:
    """Parse FLEET_URL. Raises ValueError, which does not quote the URL."""
    if not text.isprintable() or " " in text:
        raise _bad("it has spaces or control characters")
    scheme, _, rest = text.partition("://")
    plain, plus, _ = scheme.lower().partition(_SENTINEL)
    if plain not in _SCHEMES or scheme.lower() not in (plain, plain + _SENTINEL):
        raise _bad("the scheme is another one")
    authority, _, path = rest.partition("/")
    if "?" in rest or "#" in rest:
        raise _bad("it has other parts than these")
    user, _, places = authority.rpartition("@")
    if ":" in user:
        raise _bad("the password belongs into FLEET_PASSWORD_FILE, because URLs are shown")
    hosts = tuple(_host(each, SENTINEL_PORT if plus else PORT) for each in places.split(","))
    if len(hosts) > 1 and not plus:
        raise _bad("several hosts are allowed with valkey+sentinel:// only")
    service, database = _path(path, bool(plus))
    return EngineAddress(hosts, _SCHEMES[plain], unquote(user), database, service)


def _host(text: str, port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        found = parts.port  # raises if it is out of range
    except ValueError:
        raise _bad("a host or port is malformed") from None
    if not parts.hostname or found == 0 or "@" in text:
        raise _bad("a host is missing, or a port is 0")
    return parts.hostname, port if found is None else found


def _path(path: str, sentinel: bool) -> tuple[str | None, int]:
    service, _, number = path.partition("/") if sentinel else ("", "", path)
    if sentinel and not service:
        raise _bad("the name of Sentinel's service is missing")
    number = number or "0"
    if not (number.isascii() and number.isdigit() and int(number) <= MAX_DATABASE):
        raise _bad(f"the database is no number from 0 to {MAX_DATABASE}")
    return unquote(service) or None, int(number)


def _bad(why: str) -> ValueError:
    return ValueError(f"{_FORM}; {why}")
