"""`tls`: sockets over TLS in the Node manner, whoever does the TLS.

On a `tls` substream the proxy does it (and sees the plain text); everywhere else this device does,
and checks the target's certificate itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol

from tessel.errors import NodeError
from tessel.node._net.certificate import described
from tessel.node._net.options import TLS_OPTIONS, ConnectOptions, connect_arguments
from tessel.node._net.socket import Socket
from tessel.node.base.arguments import Callback


class TLSSocket(Socket):
    """A socket over TLS. Besides a socket's events: `secureConnect`, after `connect`."""

    encrypted = True
    _servername: str | None = None

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

    @property
    def servername(self) -> str | None:
        """The name that was asked for, which the certificate must have."""
        return self._servername

    def get_protocol(self) -> str | None:
        """Such as "TLSv1.3"; None if the proxy does the TLS, or it is not connected."""
        secured = self._link.secured() if self._link.usable else None
        return None if secured is None else secured.protocol_version()

    def get_cipher(self) -> dict[str, object]:
        """`{name, version}`; empty if the proxy does the TLS, or it is not connected."""
        secured = self._link.secured() if self._link.usable else None
        name = None if secured is None else secured.cipher_name()
        return {} if name is None else {"name": name, "version": self.get_protocol()}

    def is_session_reused(self) -> bool:
        """Always False: a device resumes no sessions."""
        return False

    @property
    def alpn_protocol(self) -> bool:
        """Always False: a device offers no ALPN."""
        return False

    def _arguments(
        self, first: object, rest: tuple[object, ...], named: Mapping[str, object]
    ) -> tuple[ConnectOptions, Callback | None]:
        return connect_arguments(first, rest, named, known=TLS_OPTIONS, where="tls.connect")

    def link_connected(self) -> None:
        if not self.destroyed:
            self.emit("connect")

    def _dial(self, options: ConnectOptions) -> Deferred[IProtocol]:
        name = options.tls.servername
        self._servername = options.target.host if name is None else name
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


DEFAULT_MIN_VERSION = "TLSv1.2"
DEFAULT_MAX_VERSION = "TLSv1.3"


def connect(
    port: int | str | Mapping[str, object] | None = None, *rest: object, **options: object
) -> TLSSocket:
    """As `net.connect`, with `ca`, `servername` and `reject_unauthorized`."""
    return TLSSocket().connect(port, *rest, **options)
