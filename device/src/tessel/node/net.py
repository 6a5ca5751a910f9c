"""`net`: sockets and servers in the Node manner."""

from __future__ import annotations

from collections.abc import Mapping

from tessel.addresses import is_ip, is_ipv4, is_ipv6
from tessel.node._net.options import gathered
from tessel.node._net.server import Server
from tessel.node._net.socket import Socket
from tessel.node.base.arguments import Callback

__all__ = [
    "Server",
    "Socket",
    "Stream",
    "connect",
    "create_connection",
    "create_server",
    "is_ip",
    "is_ipv4",
    "is_ipv6",
]


def connect(
    port: int | str | Mapping[str, object] | None = None, *rest: object, **options: object
) -> Socket:
    """A new socket, connecting: `(port, host="127.0.0.1", callback)` or `(options, callback)`."""
    given, _ = gathered(port, rest, options, "net.connect")
    return Socket(allow_half_open=given.get("allow_half_open") is True).connect(
        port, *rest, **options
    )


create_connection = connect
Stream = Socket  # Node's older name


def create_server(
    options: Mapping[str, object] | Callback | None = None,
    listener: Callback | None = None,
    **named: object,
) -> Server:
    """A server; `listener` is for `connection`.

    Options: `allow_half_open`, `pause_on_connect`, and for its sockets `no_delay` and
    `keep_alive`.
    """
    return Server(options, listener, **named)
