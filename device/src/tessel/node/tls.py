"""`tls`: sockets over TLS in the Node manner, whoever does the TLS.

On a `tls` substream the proxy does it (and sees the plain text); everywhere else this device does,
and checks the target's certificate itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol

from tessel.errors import NodeError
from tessel.node.certificate import described
from tessel.node.options import ConnectOptions
from tessel.node.socket import Socket


class TLSSocket(Socket):
    """A socket over TLS. Besides a socket's events: `secureConnect`, after `connect`."""

    encrypted = True

    @property
    def authorized(self) -> bool:
        """The target's certificate and name were accepted, by this device or by the proxy."""
        if self.connecting or self.pending or not self._link.usable:
            return False
        secured = self._link.secured()
        return secured is None or secured.authorized

    @property
    def authorization_error(self) -> NodeError | None:
        """Why it is not authorized, where `reject_unauthorized=False` let it go on."""
        secured = self._link.secured() if self._link.usable else None
        return None if secured is None else secured.authorization_error

    def get_peer_certificate(self) -> dict[str, object]:
        """The target's certificate; empty if the proxy does the TLS."""
        secured = self._link.secured() if self._link.usable else None
        der = None if secured is None else secured.peer_certificate()
        return {} if der is None else described(der)

    def link_connected(self) -> None:
        if not self.destroyed:
            self.emit("connect")

    def _dial(self, options: ConnectOptions) -> Deferred[IProtocol]:
        return self._runtime.network.connect_tls(
            options.target,
            self._protocol,
            options.tls,
            proxy=options.proxy,
            watcher=self._link,
        )

    def _connect_event(self) -> str:
        return "secureConnect"

    def _established_events(self) -> tuple[str, ...]:
        return ("secureConnect", "ready")


def connect(
    port: int | str | Mapping[str, object] | None = None, *rest: object, **options: object
) -> TLSSocket:
    """As `net.connect`, with `ca`, `servername` and `reject_unauthorized`."""
    return TLSSocket().connect(port, *rest, **options)
