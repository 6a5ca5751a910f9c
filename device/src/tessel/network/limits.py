"""The timeouts and delays of the network, with the reasons for their values."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tessel.errors import NodeError

T = TypeVar("T")

CONNECT_TIMEOUT_S = 60.0
"""From `connect` until the connection is established, with lookup and TLS handshake. Operating
systems give up after 20 s to 130 s. A program can destroy the socket sooner."""

TUNNEL_SETUP_TIMEOUT_S = 40.0
"""From the dial to the proxy's answer. The proxy may ask a token service before it."""

LINGER_LIMIT_S = 30.0
"""Time for which a closed connection still counts as open while the proxy has not sent `close`.
After it the connection no longer keeps an idle tunnel open."""

FAREWELL_LIMIT_S = 1.0
"""Time that a program which has ended waits for the targets of its idle connections to close, too.
Servers close within one or two round trips."""

CLOSE_TIMEOUT_S = 5.0
"""Time to wait at the end for a tunnel to send its queue and close."""

BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 60.0
"""Backoff between attempts to reach the proxy: a random time up to the base, which doubles with
each failure up to the cap. So a fleet of devices does not reconnect all at once."""

PROVEN_S = 10.0
"""A tunnel that is lost within this time counts as a failure to reach the proxy. The first one in a
row is retried without a wait. Without this limit a device would reconnect all the time to a proxy
that keeps failing, or while another device uses the same PROXY_DEVICE and replaces its tunnels."""


REFUSED_HOLD_S = 60.0
"""Time for which a refused token is not sent again. Connections through the tunnel fail at once,
with the proxy's answer. Otherwise a program that retries would ask the proxy each time."""

RETRY_AFTER_CAP_S = 300.0
"""The longest of these times that a proxy may ask for, when its operator refuses the device until a
time. The operator may allow the device earlier, and then it is back this soon."""

GOAWAY_CAP_S = 60.0
"""The longest delay before the next tunnel that a stopping proxy may ask for: programs wait."""


def within(
    limit_s: float, clock: IReactorTime, attempt: Deferred[T], error: NodeError
) -> Deferred[T]:
    """Return `attempt` with a timeout of `limit_s` seconds.

    After the timeout `attempt` is cancelled and fails with `error`.
    """
    return attempt.addTimeout(limit_s, clock, lambda *_: Failure(error))
