"""Direct connections: the device's radio connects to the target, without the tunnel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TypeAlias, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.protocol import DatagramProtocol

from tessel.addresses import literal
from tessel.errors import NodeError
from tessel.network.interface import (
    IConnectWatcher,
    IListening,
    ProtocolFactory,
    Target,
    TlsOptions,
)
from tessel.network.limits import CONNECT_TIMEOUT_S, within
from tessel.network.secure import Handshake
from tessel.radio.interface import IRadio, IRadioPort, RadioError

IPV4, IPV6 = 4, 6

OpenAt: TypeAlias = Callable[[str], Awaitable[IRadioPort]]  # by the address


class DirectNetwork:
    """Makes direct connections and opens ports with a radio; adds lookup, TLS and Node's errors."""

    def __init__(self, radio: IRadio, clock: IReactorTime) -> None:
        self._radio = radio
        self._clock = clock

    def connect(
        self, target: Target, factory: ProtocolFactory, watcher: IConnectWatcher
    ) -> Deferred[IProtocol]:
        """Connect to a target without TLS; fires with the protocol, as INetwork.connect.

        Fails with NodeError, after CONNECT_TIMEOUT_S at the latest. `watcher` gets the steps.
        """
        return self._limited(target, self._connect(target, factory, watcher))

    def connect_tls(
        self, target: Target, factory: ProtocolFactory, tls: TlsOptions, watcher: IConnectWatcher
    ) -> Deferred[IProtocol]:
        """Connect to a target over TLS; fires with the protocol, as INetwork.connect_tls.

        Fails with NodeError, after CONNECT_TIMEOUT_S at the latest. `watcher` gets the steps up to
        TCP.
        """
        return self._limited(target, self._connect_tls(target, factory, tls, watcher))

    async def lookup(self, name: str, family: int = 0) -> Sequence[str]:
        """Return the addresses of a name, best first; for an IP address, only this address.

        `family` is 4, 6, or 0 for either. Raises NodeError, ENOTFOUND if no address suits.
        """
        if literal(name) is not None:
            return [name]
        try:
            found = await self._radio.lookup(name)
        except RadioError as error:
            raise self._worded(error, "getaddrinfo", name) from error
        usable = [address for address in found if self._suits(address, family)]
        if not usable:
            raise NodeError(f"getaddrinfo ENOTFOUND {name}", "ENOTFOUND")
        return usable

    async def listen(
        self, port: int, factory: ProtocolFactory, host: str, backlog: int
    ) -> IListening:
        """Accept TCP connections on a port and return the open port.

        The arguments are those of INetwork.listen. Raises NodeError.
        """

        def open_at(address: str) -> Deferred[IRadioPort]:
            return self._radio.listen(port, factory, address=address, backlog=backlog)

        return await self._opened("listen", Target(host or "::", port), host, open_at, family=0)

    async def bind_udp(self, port: int, protocol: DatagramProtocol, host: str) -> IListening:
        """Bind an IPv4 UDP port, connect the protocol to it, and return the open port.

        The arguments are those of INetwork.bind_udp. Raises NodeError.
        """

        def open_at(address: str) -> Deferred[IRadioPort]:
            if ":" in address:
                raise NodeError(f"bind EINVAL {host}", "EINVAL")  # the socket is of kind udp4
            return self._radio.bind_udp(port, protocol, address=address)

        where = Target(host or "0.0.0.0", port)  # noqa: S104 - named in an error, not bound
        return await self._opened("bind", where, host, open_at, IPV4)

    async def _opened(
        self, call: str, where: Target, host: str, open_at: OpenAt, family: int
    ) -> IListening:
        try:
            port = await self._open(host, open_at, family)
        except RadioError as error:
            raise self._worded(error, call, where) from error
        return cast("IListening", port)  # the radio's has the same shape

    async def _open(self, host: str, open_at: OpenAt, family: int) -> IRadioPort:
        """Open a port at an address of this host; "": at all addresses."""
        return await open_at((await self.lookup(host, family))[0] if host else "")

    def _limited(
        self, target: Target, attempt: Coroutine[Deferred[object], object, IProtocol]
    ) -> Deferred[IProtocol]:
        error = NodeError(f"connect ETIMEDOUT {target}", "ETIMEDOUT")
        return within(CONNECT_TIMEOUT_S, self._clock, Deferred.fromCoroutine(attempt), error)

    async def _connect(
        self, target: Target, factory: ProtocolFactory, watcher: IConnectWatcher
    ) -> IProtocol:
        protocol = await self._dial(target, factory, watcher)
        watcher.connected()
        return protocol

    async def _connect_tls(
        self, target: Target, factory: ProtocolFactory, tls: TlsOptions, watcher: IConnectWatcher
    ) -> IProtocol:
        handshake = Handshake(target, tls, factory, self._clock)
        await self._dial(target, lambda: handshake.transport, watcher)
        watcher.connected()
        return await handshake.done

    async def _dial(
        self, target: Target, factory: ProtocolFactory, watcher: IConnectWatcher
    ) -> IProtocol:
        addresses = await self._addresses(target, watcher)
        try:
            return await self._reach(addresses, target.port, factory)
        except RadioError as error:
            tried = Target(addresses[0], target.port)
            raise self._worded(error, "connect", tried) from error

    def _reach(
        self, addresses: Sequence[str], port: int, factory: ProtocolFactory
    ) -> Awaitable[IProtocol]:
        return self._radio.connect(addresses, port, factory)

    def _worded(self, error: RadioError, call: str, about: Target | str) -> NodeError:
        """Return the error that the program gets."""
        colon = ":" if call == "listen" else ""  # Node's
        return NodeError(f"{call} {error.code}{colon} {about}", error.code)

    async def _addresses(self, target: Target, watcher: IConnectWatcher) -> Sequence[str]:
        """Return the addresses of the target; report a lookup to the watcher."""
        host = target.host
        address = literal(host)
        if address is not None:
            return [host.removeprefix("[").removesuffix("]")]
        try:
            addresses = await self.lookup(host, target.family)
        except NodeError as error:
            watcher.looked_up(error, None, None)
            raise
        watcher.looked_up(None, addresses[0], _family(addresses[0]))
        return addresses

    def _suits(self, address: str, family: int) -> bool:
        own = _family(address)
        return family in (0, own) and (own == IPV4 or self._radio.ipv6)


def _family(address: str) -> int:
    return IPV6 if ":" in address else IPV4
