"""TLS sockets in the manner of Node's `tls`.

    from tessel import tls

    socket = tls.connect(443, "example.com", lambda: print(socket.get_protocol()))

With PROXY_TRUSTED the proxy does the TLS with the target, and sees the plain text. In all other
cases the device does it, and checks the target's certificate itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol

from tessel.errors import NodeError
from tessel.network.interface import ISecured
from tessel.network.tls_context import DEFAULT_MAX_VERSION, DEFAULT_MIN_VERSION
from tessel.node._net.certificate import described, described_chain
from tessel.node._net.options import TLS_OPTIONS, ConnectOptions, connect_arguments
from tessel.node._net.socket import Socket
from tessel.node.base.arguments import Callback

__all__ = [
    "DEFAULT_MAX_VERSION",
    "DEFAULT_MIN_VERSION",
    "TLSSocket",
    "connect",
]


def __dir__() -> list[str]:
    return __all__


class TLSSocket(Socket):
    """A TCP connection with TLS, which the device or the proxy does.

    Events: those of `net.Socket`, and `secureConnect` after the TLS handshake.
    """

    encrypted = True
    _servername: str | None = None

    @property
    def authorized(self) -> bool:
        """True if the device or the proxy accepted the target's certificate and name."""
        if self.connecting or self.pending or not self._link.usable:
            return False
        secured = self._link.secured()
        return secured is None or secured.authorized

    @property
    def authorization_error(self) -> NodeError | None:
        """The reason why the target's certificate was not accepted; None if it was accepted.

        Only with `reject_unauthorized=False` does an open socket have such an error.
        """
        secured = self._secured()
        return None if secured is None else secured.authorization_error

    def get_peer_certificate(self, detailed: bool = False) -> dict[str, object]:
        """Return the target's certificate as a dict with Node's keys.

        `detailed`: with `issuer_certificate`, the dict of the issuer, if the target sent it. The
        dict is empty if the socket is not connected, or if the proxy does the TLS.
        """
        secured = self._secured()
        if secured is None:
            return {}
        if detailed:
            return described_chain(secured.peer_certificate_chain())
        der = secured.peer_certificate()
        return {} if der is None else described(der)

    def get_certificate(self) -> dict[str, object]:
        """Return the device's own certificate as a dict with Node's keys.

        The dict is empty without the option `cert` or `pfx`, or if the socket is not connected.
        """
        secured = self._secured()
        der = None if secured is None else secured.own_certificate()
        return {} if der is None else described(der)

    def get_ephemeral_key_info(self) -> dict[str, object]:
        """Return the kind of key that was exchanged, as `{type, name, size}`.

        The dict is empty if Node has no name for it, or if the proxy does the TLS.
        """
        secured = self._secured()
        key = None if secured is None else secured.ephemeral_key()
        return {} if key is None else {"type": key.kind, "name": key.name, "size": key.size}

    @property
    def servername(self) -> str | None:
        """The name that the target's certificate must contain; None before `connect`."""
        return self._servername

    def get_protocol(self) -> str | None:
        """Return the TLS version, such as "TLSv1.3".

        None if the socket is not connected, or if the proxy does the TLS.
        """
        secured = self._secured()
        return None if secured is None else secured.protocol_version()

    def get_cipher(self) -> dict[str, object]:
        """Return the cipher as `{name, standard_name, version}`.

        `name` is OpenSSL's, `standard_name` IANA's; `version` is the first TLS version that had it.

        The dict is empty if the socket is not connected, or if the proxy does the TLS.
        """
        secured = self._secured()
        cipher = None if secured is None else secured.cipher()
        return {} if cipher is None else asdict(cipher)

    def is_session_reused(self) -> bool:
        """Return whether an earlier TLS session was resumed: the device does not do that."""
        secured = self._secured()
        return secured is not None and secured.session_reused()

    @property
    def alpn_protocol(self) -> str | bool:
        """The protocol that the target chose of the option `alpn_protocols`; False: none of them.

        False also if the proxy does the TLS, or if the socket is not connected.
        """
        secured = self._secured()
        chosen = None if secured is None else secured.alpn_protocol()
        return False if chosen is None else chosen.decode(errors="replace")

    def _secured(self) -> ISecured | None:
        return self._link.secured() if self._link.usable else None

    def _arguments(
        self, first: object, rest: tuple[object, ...], named: Mapping[str, object]
    ) -> tuple[ConnectOptions, Callback | None]:
        return connect_arguments(first, rest, named, known=TLS_OPTIONS, where="tls.connect")

    def link_connected(self) -> None:
        """Called when TCP is established, before the TLS handshake: emits `connect`."""
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


def connect(
    port: int | str | Mapping[str, object] | None = None, *rest: object, **options: object
) -> TLSSocket:
    """Open a TLS connection; return the socket at once, before it is connected.

    Call it as `net.connect`. The callback is a listener for `secureConnect`. Further options:

    - `ca`: one or several PEM texts to trust instead of the system's authorities.
    - `servername`: the name to check (default: the host).
    - `reject_unauthorized=False`: accept any certificate.
    - `cert` and `key` (PEM), or `pfx` (PKCS#12): the device's own certificate and private key, for
      targets that ask for one. `passphrase` decrypts them.
    - `alpn_protocols`: names of protocols to offer, best first.
    - `min_version`, `max_version`: such as "TLSv1.2". `ciphers`: a list in OpenSSL's form.

    Raises:
        NodeError: an option is unknown or wrong. A failed connection is the socket's `error`.

    """
    return TLSSocket().connect(port, *rest, **options)
