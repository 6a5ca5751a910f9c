"""UDP sockets in the manner of Node's `dgram`.

    from tessel import dgram

    socket = dgram.create_socket("udp4")
    socket.on("message", lambda data, sender: print(data, sender["address"]))
    socket.bind(5000)

As on the Tessel, datagrams are IPv4 only, and they never go through the tunnel.
"""

from __future__ import annotations

from collections.abc import Mapping

from tessel.errors import NodeError
from tessel.node._dgram.arguments import UNSUPPORTED
from tessel.node._dgram.socket import DatagramSocket
from tessel.node.base.arguments import Callback, callback_or_none, check_options

__all__ = ["Socket", "create_socket"]

Socket = DatagramSocket


def __dir__() -> list[str]:
    return __all__


def create_socket(
    kind: str | Mapping[str, object] = "udp4", listener: Callback | None = None
) -> DatagramSocket:
    """Return a new UDP socket, which is not bound yet.

    Args:
        kind: "udp4", or `{"type": "udp4"}`. The radio has no IPv6 for datagrams.
        listener: a listener for `message`.

    Raises:
        NodeError: the type is not "udp4", or an option is unknown.
    """
    if isinstance(kind, Mapping):
        check_options(kind, {"type"}, "dgram.create_socket", UNSUPPORTED)
    name = kind.get("type") if isinstance(kind, Mapping) else kind
    callback_or_none(listener, "listener")
    if name != "udp4":
        raise NodeError(
            f"Bad socket type: the radio has udp4 alone, not {name!r}", "ERR_SOCKET_BAD_TYPE"
        )
    socket = DatagramSocket()
    if listener is not None:
        socket.on("message", listener)
    return socket
