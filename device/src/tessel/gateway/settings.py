"""The settings of the gateway, from environment variables."""

# ruff: noqa: RUF009 -- setting() declares a field, as dataclasses.field() does

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from tessel.addresses import literal
from tessel.gateway.opening import Credentials
from tessel.settings import MAX_PORT
from tessel_service_kit.parsers import integer, optional
from tessel_service_kit.settings import ConfigError, Setting, Settings, setting

MAX_TEXT_BYTES: Final = 255  # of the user and of the password, by RFC 1929
MAX_CLIENTS: Final = 100_000
MAX_TIMEOUT_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on. `port` 0: any free port."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """True if only programs on this machine reach it."""
        address = literal(self.host)
        return self.host == "localhost" or (address is not None and address.is_loopback)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """Return the address `HOST:PORT` or `PORT`; a missing host is 127.0.0.1. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    is_host = bare == "localhost" or literal(bare) is not None
    if (
        not is_host
        or (":" in host and not host.startswith("["))
        or (colon and not host)
        or not (port.isascii() and port.isdigit())
        or int(port) > MAX_PORT
    ):
        raise ValueError("an address of this machine and a port, such as 127.0.0.1:1080")
    return Address(bare, int(port))


def user_name(text: str) -> str:
    """Return the user if HTTP and SOCKS5 can carry it. Raises ValueError."""
    if ":" in text or not text.isprintable() or not 0 < len(text.encode()) <= MAX_TEXT_BYTES:
        raise ValueError(f"at most {MAX_TEXT_BYTES} bytes, printable, without a colon")
    return text


def password(text: str) -> str:
    """Return the password if HTTP and SOCKS5 can carry it. Raises ValueError."""
    if not text.isprintable() or not 0 < len(text.encode()) <= MAX_TEXT_BYTES:
        raise ValueError(f"1 to {MAX_TEXT_BYTES} bytes, printable")
    return text


@dataclass(frozen=True, slots=True)
class GatewaySettings(Settings):
    """All settings of the gateway itself. The device's settings decide how it connects."""

    listen: Address = setting(
        "GATEWAY_LISTEN",
        "127.0.0.1:1080",
        "Address and port on which the gateway listens; port 0: any free port. An address that "
        "other machines reach needs GATEWAY_PASSWORD.",
        address,
    )
    user: str = setting(
        "GATEWAY_USER",
        "tessel",
        "User that clients must name if GATEWAY_PASSWORD is set.",
        user_name,
    )
    password: str | None = setting(
        "GATEWAY_PASSWORD",
        "",
        "Password that clients must send. Unset: none, and every program on this machine can use "
        "the gateway.",
        optional(password),
        secret=True,
        how_to_make="`openssl rand -hex 16 > {path}` makes one",
    )
    max_clients: int = setting(
        "GATEWAY_MAX_CLIENTS",
        "500",
        "Connections of clients at the same time. Further ones are closed at once. Each needs a "
        "file descriptor, and a second one if it goes directly.",
        integer(1, MAX_CLIENTS),
    )
    handshake_timeout_s: int = setting(
        "GATEWAY_HANDSHAKE_TIMEOUT_S",
        "10",
        "Seconds for a client to send its complete request.",
        integer(1, MAX_TIMEOUT_S),
    )

    @property
    def credentials(self) -> Credentials | None:
        """The user and password that clients must send; None: they need none."""
        return None if self.password is None else Credentials(self.user, self.password)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings in an environment.

        Raises:
            ConfigError: with all faults, also if other machines could use the gateway without a
                password.
        """
        settings, faults = cls.read(environ)
        if not faults and settings.password is None and not settings.listen.is_loopback:
            faults.append(
                f"GATEWAY_LISTEN={settings.listen} without GATEWAY_PASSWORD; allowed: a loopback "
                "address such as 127.0.0.1, or a password: else every machine that reaches this "
                "port could use the proxy with your token"
            )
        if faults:
            raise ConfigError(faults)
        return settings


GATEWAY_SETTINGS: Final[tuple[Setting, ...]] = tuple(GatewaySettings.table().values())
