"""The tunnels of a device: the open one, the attempt to open one, and those that are closing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol as Shape

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from streamplex import Side
from streamplex.tx import TunnelProtocol
from tessel.errors import NodeError, ProxyUnreachedError
from tessel.network.interface import ProtocolFactory, Target, TlsOptions
from tessel.network.limits import (
    CLOSE_TIMEOUT_S,
    FAREWELL_LIMIT_S,
    GOAWAY_CAP_S,
    PROVEN_S,
    TUNNEL_SETUP_TIMEOUT_S,
    within,
)
from tessel.network.sessions import Sessions
from tessel.network.tls_errors import TlsError
from tessel.network.trust import UNKNOWN_AUTHORITY
from tessel.network.tunneled.backoff import Backoff
from tessel.network.tunneled.refused import AuthorizationFailed, RefusedForNow, hold_s
from tessel.network.tunneled.tunnel import ProxyTunnel, TunnelPhase, log
from tessel.settings import Settings

_NOBODY_THERE = "does a proxy listen there? PROXY_HOST and PROXY_PORT are its address"
_HINTS = {
    **dict.fromkeys(
        UNKNOWN_AUTHORITY,
        "PROXY_CERT_FILE names the authority to trust for the proxy's certificate",
    ),
    "ERR_TLS_CERT_ALTNAME_INVALID": "PROXY_HOST must be one of the names in its certificate",
    "ENOTFOUND": "is PROXY_HOST right?",
    "ECONNREFUSED": _NOBODY_THERE,
    "ETIMEDOUT": _NOBODY_THERE,
}
"""Hints by error code, if the proxy was not reached."""
_NO_PROXY = "is this the port of a proxy? Another service may listen there"  # TLS itself failed


class DialProxy(Shape):
    """A function that connects to the proxy over TLS, always directly."""

    def __call__(
        self, target: Target, factory: ProtocolFactory, tls: TlsOptions
    ) -> Deferred[IProtocol]: ...


class TunnelPool:
    """Opens the tunnel to the proxy when a connection needs it, and shares it among all.

    Connections that wait for the tunnel share one attempt.
    """

    def __init__(
        self,
        settings: Settings,
        dial: DialProxy,
        clock: IReactorTime,
        random: Callable[[], float],
    ) -> None:
        self._settings = settings
        # there is a host: a token without one is an error of the settings
        self._proxy = Target(settings.proxy_host or "", settings.proxy_port)
        self._dial = dial
        self._sessions = Sessions()
        self._clock = clock
        self._backoff = Backoff(random)
        self._tunnels: list[ProxyTunnel] = []  # with a connection to the proxy
        self._refusal: NodeError | None = None  # the last refusal, until the hold is over
        self._refused_until_s = 0.0
        self._attempt: Deferred[ProxyTunnel] | None = None
        self._waiting: list[Deferred[ProxyTunnel]] = []
        self._closed: list[Deferred[None]] = []

    def tunnel(self) -> Deferred[ProxyTunnel]:
        """Return the open tunnel, or fire when the next attempt has opened one.

        Fails with NodeError if the proxy is not reached or refuses the token. For REFUSED_HOLD_S
        after a refusal, or the time that the proxy gave with it, it fails at once.
        """
        for tunnel in self._tunnels:
            if tunnel.phase is TunnelPhase.OPEN:
                return succeed(tunnel)
        if self._refusal is not None and self._clock.seconds() < self._refused_until_s:
            return fail(self._refusal.again())
        waiter: Deferred[ProxyTunnel] = Deferred(self._stop_waiting)
        self._waiting.append(waiter)
        if self._attempt is None:
            self._begin()
        return waiter

    async def finish(self) -> None:
        """Close all connections cleanly, within FAREWELL_LIMIT_S; then close the tunnels."""
        for tunnel in list(self._tunnels):
            tunnel.finish()
        if any(tunnel.phase is TunnelPhase.RETIRED for tunnel in self._tunnels):
            gone = self._all_gone()
            gone.addTimeout(FAREWELL_LIMIT_S, self._clock, lambda *_: None)
            await gone
        await self.close()

    def close(self) -> Deferred[None]:
        """Cancel the attempt to open a tunnel, and close all tunnels; fires when they are closed.

        Tunnels that are still open after CLOSE_TIMEOUT_S are aborted.
        """
        if self._attempt is not None:
            self._attempt.cancel()
        for tunnel in list(self._tunnels):
            tunnel.close()
        if not self._tunnels:
            return succeed(None)
        return self._all_gone().addTimeout(CLOSE_TIMEOUT_S, self._clock, lambda *_: self._cut())

    # Opening a tunnel.

    def _begin(self) -> None:
        attempt = self._attempt = Deferred.fromCoroutine(self._reach())
        attempt.addCallbacks(self._reached, self._failed)
        attempt.addErrback(lambda failure: log.failure("a tunnel's attempt", failure))

    async def _reach(self) -> ProxyTunnel:
        """Wait for the backoff, dial, and send the token; return the authorized tunnel."""
        await self._wait_for_its_time()
        log.debug("opening the tunnel to {proxy}", proxy=self._proxy)
        tunnel = ProxyTunnel(self._settings, self._clock, self)
        late = NodeError("no answer: ETIMEDOUT", "ETIMEDOUT")
        set_up = Deferred.fromCoroutine(self._set_up(tunnel))
        try:
            await within(TUNNEL_SETUP_TIMEOUT_S, self._clock, set_up, late)
        except (NodeError, CancelledError):
            if tunnel.phase is not TunnelPhase.CLOSING:  # a refused one closes in order
                tunnel.abort()
            raise
        return tunnel

    async def _wait_for_its_time(self) -> None:
        wait_s = self._backoff.wait_s(self._clock.seconds())
        if wait_s:
            log.debug("next attempt to reach the proxy in {wait_s:.1f} s", wait_s=wait_s)
            await deferLater(self._clock, wait_s)

    async def _set_up(self, tunnel: ProxyTunnel) -> None:
        authorities = self._settings.proxy_cert
        ca = None if authorities is None else (authorities,)
        tls = TlsOptions(ca=ca, sessions=self._sessions)
        await self._dial(self._proxy, lambda: self._protocol(tunnel), tls)
        await tunnel.answered

    def _protocol(self, tunnel: ProxyTunnel) -> TunnelProtocol:
        self._tunnels.append(tunnel)
        return TunnelProtocol(Side.B, tunnel, self._clock)

    def _reached(self, tunnel: ProxyTunnel) -> None:
        self._attempt = None
        self._refusal = None
        for waiter in self._taken():
            waiter.callback(tunnel)

    def _failed(self, failure: Failure) -> None:
        self._attempt = None
        error = self._explained(failure)
        for waiter in self._taken():
            waiter.errback(Failure(error))

    def _explained(self, failure: Failure) -> BaseException | None:
        error = failure.value
        if isinstance(error, AuthorizationFailed | RefusedForNow):
            # the proxy was reached: no failure, and no success either
            self._hold(error)
            return error
        if isinstance(error, NodeError):
            self._backoff.failed(self._clock.seconds())
            log.debug("the proxy was not reached: {error}", error=error)
            explained = ProxyUnreachedError(f"proxy {self._proxy}: {error}", error.code)
            explained.hint = _NO_PROXY if isinstance(error, TlsError) else _HINTS.get(error.code)
            return explained
        return error  # cancelled

    # Waiting connections.

    def _taken(self) -> Iterator[Deferred[ProxyTunnel]]:
        """Return the waiting Deferreds; skip those that others cancel meanwhile."""
        waiting, self._waiting = self._waiting, []
        return (waiter for waiter in waiting if not waiter.called)

    def _stop_waiting(self, waiter: Deferred[ProxyTunnel]) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        if not self._waiting and self._attempt is not None:
            self._attempt.cancel()

    # Losing a tunnel.

    def going_away(self, after_s: float) -> None:
        """Called when the proxy is stopping: open no tunnel for `after_s` seconds.

        The wait is at most GOAWAY_CAP_S.
        """
        self._backoff.hold_off(self._clock.seconds() + min(after_s, GOAWAY_CAP_S))

    def refused(self, error: NodeError) -> None:
        """Called when the proxy closes a tunnel because of its token: delay the next tunnel."""
        if isinstance(error, AuthorizationFailed | RefusedForNow):
            self._hold(error)
        else:
            self._backoff.failed(self._clock.seconds())

    def _hold(self, refusal: NodeError) -> None:
        if isinstance(refusal, RefusedForNow):  # its time may be short, and end with a refusal
            self._backoff.failed(self._clock.seconds())
        self._refusal = refusal
        self._refused_until_s = self._clock.seconds() + hold_s(refusal)

    def lost(self, tunnel: ProxyTunnel, *, unexpectedly: bool) -> None:
        """Called when a tunnel is closed or lost: forget it.

        `unexpectedly`: neither side had begun to close it. Such a loss soon after the tunnel opened
        counts as a failure to reach the proxy.
        """
        self._tunnels.remove(tunnel)
        self._judge(tunnel, unexpectedly=unexpectedly)
        if self._tunnels:
            return
        closed, self._closed = self._closed, []
        for waiter in closed:
            waiter.callback(None)

    def _judge(self, tunnel: ProxyTunnel, *, unexpectedly: bool) -> None:
        """Count the loss as a success or a failure: a tunnel lost within PROVEN_S is a failure."""
        if tunnel.opened_at is None:
            return  # counted already: its attempt has failed
        now = self._clock.seconds()
        if unexpectedly and now - tunnel.opened_at < PROVEN_S:
            self._backoff.lost_soon(now)
        else:
            self._backoff.succeeded()

    def _all_gone(self) -> Deferred[None]:
        gone: Deferred[None] = Deferred(self._closed.remove)
        self._closed.append(gone)
        return gone

    def _cut(self) -> None:
        for tunnel in list(self._tunnels):
            tunnel.abort()
