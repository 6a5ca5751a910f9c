"""How long the network waits, and for what."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tessel.errors import NodeError

T = TypeVar("T")

CONNECT_TIMEOUT_S = 60.0
"""From `connect` until the connection stands, look-up and TLS handshake included. Systems give up
between 20 s and 130 s; a program that wants less destroys the socket sooner."""

TUNNEL_SETUP_TIMEOUT_S = 40.0
"""From the dial to the proxy's answer about the token, which it may have to ask another service."""

LINGER_LIMIT_S = 30.0
"""How long a substream that its socket has left still counts as open, if its target stays silent:
past that it does not keep an idle tunnel."""

FAREWELL_LIMIT_S = 1.0
"""How long a program that has ended waits for the targets of its idle connections to close, too.
Servers do so within a round trip or two; nobody would wait longer for those that do not."""

CLOSE_TIMEOUT_S = 5.0
"""How long the way out waits for a tunnel to flush and close."""

BACKOFF_BASE_S = 1.0
BACKOFF_CAP_S = 60.0
"""Between attempts to reach a proxy that cannot be reached: a random time up to the base doubled
with every failure, and never more than the cap, so that a fleet does not come back at once."""

PROVEN_S = 10.0
"""A tunnel that is lost sooner than this counts as a failure to reach the proxy, but the first of
them in a row has no wait behind it. Otherwise a proxy
that keeps failing, or a second device with the same PROXY_DEVICE, whose tunnels end those of this
one, would be dialled again and again without a pause."""


REFUSED_HOLD_S = 60.0
"""How long a refused token is not shown to the proxy again. Until then every connection through
the tunnel fails at once with the proxy's answer: a program that connects again and again would else
ask the proxy as often. A minute later the operator may have accepted the token."""

GOAWAY_CAP_S = 60.0
"""How long a proxy that is going may ask for patience before the next tunnel: programs wait."""


def within(
    limit_s: float, clock: IReactorTime, attempt: Deferred[T], error: NodeError
) -> Deferred[T]:
    """The attempt, given up with `error` when the time is over."""
    return attempt.addTimeout(limit_s, clock, lambda *_: Failure(error))
