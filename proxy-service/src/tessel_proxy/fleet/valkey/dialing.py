"""Connect to the engine: ask Sentinel where it is, TLS, user and password, database.

All steps together have a deadline. A connection that did not get through all of them is cut, and
the caller tries again.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import (
    ConnectError,
    ConnectingCancelledError,
    ConnectionClosed,
    DNSLookupError,
)
from twisted.internet.interfaces import (
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.internet.ssl import (
    Certificate,
    optionsForClientTLS,
    platformTrust,
    trustRootFromCertificates,
)
from txredisapi import RedisError  # type: ignore[import-untyped]

from tessel_proxy.certificates.pem import certificates_in
from tessel_proxy.fleet.parted import all_of
from tessel_proxy.fleet.valkey.address import EngineAddress, IEngineReactor
from tessel_proxy.fleet.valkey.protocol import EngineProtocol

T = TypeVar("T")

DIAL_TIMEOUT_S: Final = 8.0
"""Seconds for everything until a connection can be used: look-up, TCP, TLS, and commands, which are
sent together. An engine that is slow by 2 s needs 6 s; and counts must be right within 15 s after
one that did not answer is back."""

SENTINEL_TIMEOUT_S: Final = 1.0
"""Seconds for one Sentinel. Three that do not answer leave time for the engine."""

OLDEST_VERSION: Final = 7
"""Version of Redis from which on scripts may read the time and then write. Valkey says 7.2.4."""

KEEPS_ALL: Final = "noeviction"


class DialError(Exception):
    """The engine could not be connected, or cannot be used. The text says why."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Passwords of the engine and of the Sentinels; None: none is sent."""

    password: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)


class Dialer:
    """Opens connections to the engine at an address."""

    def __init__(
        self,
        reactor: IEngineReactor,
        address: EngineAddress,
        credentials: Credentials = Credentials(),
        ca_file: Path | None = None,
    ) -> None:
        """`ca_file`: authorities of the engine's certificate. Raises ConfigError if it is faulty.

        None: the system's authorities.
        """
        self._reactor = reactor
        self._address = address
        self.credentials = credentials  # of the next connections
        self._trust = _trust(ca_file)
        self._first = 0  # the Sentinel to ask first: the one that knew the answer last

    def __str__(self) -> str:
        """Return the address, as the log shows it."""
        return str(self._address)

    async def dial(self) -> EngineProtocol:
        """Return a connection that can be used. Raises DialError within DIAL_TIMEOUT_S."""
        return await self._within(DIAL_TIMEOUT_S, self._dial())

    async def _dial(self) -> EngineProtocol:
        host, port = await self._place()
        protocol = await self._connect(host, port)
        try:
            await self._prepare(protocol)
        except RedisError as error:
            why = protocol.fault or str(error)  # the fault has the reason of a failed handshake
            protocol.end(why)
            raise DialError(f"{host}:{port}: {why}") from error
        except BaseException:  # also cancelled by the deadline
            protocol.end("not prepared")
            raise
        return protocol

    async def _prepare(self, protocol: EngineProtocol) -> None:
        """Log in, and check the server. All commands are sent at once: a slow one answers once."""
        login: list[Deferred[Any]] = []
        if self.credentials.password is not None:
            login.append(protocol.auth(self.credentials.password, self._address.user))
        if self._address.database:
            login.append(protocol.select(self._address.database))
        role = succeed([b"master"]) if self._address.service is None else protocol.role()
        checks = (role, _info(protocol, "server"), _info(protocol, "memory"))
        *_, (found, *_), server, memory = await all_of(map(_awaited, (*login, *checks)))
        if found != b"master":
            raise DialError(f"Sentinel named a server whose role is {found!r:.40}, not master")
        _check_version(server)
        protocol.policy = _field("maxmemory_policy", memory) or KEEPS_ALL

    async def _place(self) -> tuple[str, int]:
        if self._address.service is None:
            return self._address.hosts[0]
        hosts, faults = self._address.hosts, []
        for number in range(self._first, self._first + len(hosts)):
            host, port = hosts[number % len(hosts)]
            try:
                found = await self._within(SENTINEL_TIMEOUT_S, self._ask(host, port))
            except DialError as error:
                faults.append(f"Sentinel {host}:{port}: {error}")
            else:
                self._first = number % len(hosts)
                return found
        raise DialError("; ".join(faults))

    async def _ask(self, host: str, port: int) -> tuple[str, int]:
        """Ask a Sentinel for the address of the primary."""
        protocol = await self._connect(host, port)
        try:
            if self.credentials.sentinel_password is not None:
                await protocol.auth(self.credentials.sentinel_password)
            found = await protocol.sentinel_get_master_addr_by_name(self._address.service)
            if found is None:
                raise DialError(f"it knows no service {self._address.service!r}")
            name, number = found
            return name.decode("ascii"), int(number)
        except (RedisError, ValueError, TypeError, AttributeError) as error:
            raise DialError(f"{error}") from error
        finally:
            protocol.end("asked")

    async def _connect(self, host: str, port: int) -> EngineProtocol:
        factory = Factory.forProtocol(lambda: EngineProtocol(self._reactor))
        factory.noisy = False
        try:
            protocol = await self._endpoint(host, port).connect(factory)
        except ConnectingCancelledError:  # which is no CancelledError
            raise CancelledError from None
        except (ConnectError, ConnectionClosed, DNSLookupError, SSL.Error) as error:
            raise DialError(f"{host}:{port}: {error or type(error).__name__}") from error
        return cast("EngineProtocol", protocol)

    def _endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        plain = HostnameEndpoint(self._reactor, host, port, timeout=DIAL_TIMEOUT_S)
        if not self._address.tls:
            return plain
        return wrapClientTLS(optionsForClientTLS(host, trustRoot=self._trust), plain)

    async def _within(self, limit_s: float, work: Coroutine[Deferred[Any], Any, T]) -> T:
        try:
            return await Deferred.fromCoroutine(work).addTimeout(limit_s, self._reactor)
        except TookTooLongError:
            raise DialError(f"no answer within {limit_s:g} s") from None


def _trust(ca_file: Path | None) -> Any:  # IOpenSSLTrustRoot, which Twisted does not export
    if ca_file is None:
        return platformTrust()
    found = certificates_in(ca_file, f"FLEET_CA_FILE='{ca_file}'")
    return trustRootFromCertificates(
        Certificate.loadPEM(each.public_bytes(Encoding.PEM)) for each in found
    )


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


async def _info(protocol: EngineProtocol, section: str) -> str:
    """Return a section of INFO; empty if the user may not read it."""
    try:
        reply = await protocol.execute_command("INFO", section)
    except RedisError as error:
        if str(error).startswith("NOPERM"):
            return ""
        raise
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""


def _field(name: str, info: str) -> str:
    found = re.search(rf"^{name}:(\S+)", info, re.MULTILINE)
    return found[1] if found else ""


def _check_version(info: str) -> None:
    version = _field("redis_version", info)
    major = version.partition(".")[0]
    if major.isdigit() and int(major) < OLDEST_VERSION:
        raise DialError(f"the engine is version {version}; allowed: {OLDEST_VERSION} or later")
