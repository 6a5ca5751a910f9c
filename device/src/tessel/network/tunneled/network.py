"""Makes a program's connections through the tunnel."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime, ITransport
from zope.interface import implementer

from streamplex.conversation import SubstreamKind
from streamplex.tx import Substream
from tessel.errors import NodeError
from tessel.network.interface import IConnectWatcher, ProtocolFactory, Target, TlsOptions
from tessel.network.limits import CONNECT_TIMEOUT_S, within
from tessel.network.secure import Handshake
from tessel.network.tunneled.connection import ProxiedConnection
from tessel.network.tunneled.pool import DialProxy, TunnelPool
from tessel.network.tunneled.tunnel import ProxyTunnel, TunnelSpentError, log
from tessel.settings import Settings


class TunneledNetwork:
    """Makes connections through the device's shared tunnel to the proxy.

    Each method gets `why`, the reason for the route, which is only logged. The connections fail
    with NodeError, after CONNECT_TIMEOUT_S at the latest once a tunnel is open.
    """

    def __init__(
        self, settings: Settings, dial: DialProxy, clock: IReactorTime, random: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._tunnels = TunnelPool(settings, dial, clock, random)

    async def connect(
        self, target: Target, factory: ProtocolFactory, watcher: IConnectWatcher, why: str
    ) -> IProtocol:
        """Connect to a target by a `net` substream, for which the proxy makes a TCP connection."""
        return await self._proxied(SubstreamKind.NET, target, factory, watcher, why)

    async def connect_tls_at_proxy(
        self, target: Target, factory: ProtocolFactory, watcher: IConnectWatcher, why: str
    ) -> IProtocol:
        """Connect to a target by a `tls` substream: the proxy does the TLS.

        The proxy sees the plain text.
        """
        return await self._proxied(SubstreamKind.TLS, target, factory, watcher, why)

    async def connect_end_to_end(
        self,
        target: Target,
        factory: ProtocolFactory,
        tls: TlsOptions,
        watcher: IConnectWatcher,
        why: str,
    ) -> IProtocol:
        """Connect to a target by a `net` substream, over which the device does the TLS.

        The proxy sees only encrypted bytes.
        """
        handshake = Handshake(target, tls, factory, self._clock)
        tunnel, substream = await self._substream(
            SubstreamKind.NET, f"{target} (tls, end to end)", why
        )
        connection = ProxiedConnection(
            tunnel,
            substream,
            target,
            lambda: handshake.transport,
            _WithoutTransport(watcher),
            clock=self._clock,
            early=handshake.transport,  # its first bytes need not wait for `connect`
        )
        connection.begin()

        async def both() -> IProtocol:
            await connection.established
            return await handshake.done

        return await self._limited(target, Deferred.fromCoroutine(both()))

    async def finish(self) -> None:
        """Close the open connections cleanly, then the tunnels."""
        await self._tunnels.finish()

    def close(self) -> Deferred[None]:
        """Close the tunnels; fires when they are closed."""
        return self._tunnels.close()

    async def _proxied(
        self,
        kind: SubstreamKind,
        target: Target,
        factory: ProtocolFactory,
        watcher: IConnectWatcher,
        why: str,
    ) -> IProtocol:
        tunnel, substream = await self._substream(kind, f"{target} ({kind})", why)
        connection = ProxiedConnection(
            tunnel, substream, target, factory, watcher, clock=self._clock
        )
        connection.begin()
        return await self._limited(target, connection.established)

    async def _substream(
        self, kind: SubstreamKind, what: str, why: str
    ) -> tuple[ProxyTunnel, Substream]:
        """Open a substream on the open tunnel, or on the next one if that is spent."""
        while True:
            tunnel = await self._tunnels.tunnel()
            try:
                substream = tunnel.open(kind)
            except TunnelSpentError:
                continue
            log.debug(
                "{what} through the tunnel as {name} substream {channel}: {why}",
                what=what,
                name=kind,
                channel=substream.channel,
                why=why,
            )
            return tunnel, substream

    def _limited(self, target: Target, attempt: Deferred[IProtocol]) -> Deferred[IProtocol]:
        error = NodeError(f"connect ETIMEDOUT {target}", "ETIMEDOUT")
        return within(CONNECT_TIMEOUT_S, self._clock, attempt, error)


@implementer(IConnectWatcher)
class _WithoutTransport:
    """Hides the transport below TLS from a watcher, whose bytes must go through TLS."""

    def __init__(self, watcher: IConnectWatcher) -> None:
        self._watcher = watcher
        self.looked_up = watcher.looked_up
        self.connected = watcher.connected

    def opened(self, transport: ITransport) -> None:
        pass
