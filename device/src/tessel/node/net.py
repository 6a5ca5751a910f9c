"""TCP sockets and servers in the manner of Node's `net`.

    from tessel import net

    socket = net.connect(7, "example.com", lambda: socket.end("hello"))
    socket.on("data", lambda data: print(data))

A connection goes directly or through the tunnel, as the device's settings say. The program does
not see a difference.
"""

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


def __dir__() -> list[str]:
    return __all__


def connect(
    port: int | str | Mapping[str, object] | None = None, *rest: object, **options: object
) -> Socket:
    """Open a TCP connection; return the socket at once, before it is connected.

    Call it as `connect(port, host="127.0.0.1", callback)` or `connect(options, callback)`. Options
    are a mapping or keywords: `host`, `port`, `family` (4, 6 or 0), `timeout` (ms), `no_delay`,
    `keep_alive`, `allow_half_open`, and `proxy=False` to avoid the tunnel. The callback is a
    listener for `connect`.

    Raises:
        NodeError: an option is unknown or wrong. A failed connection is the socket's `error`.

    """
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
    """Create a TCP server. Call its `listen` to open the port.

    Args:
        options: a mapping, or keywords: `allow_half_open`; `pause_on_connect`; `no_delay` and
            `keep_alive` for its sockets.
        listener: a listener for `connection`. It is called with each new Socket.
        named: options as keywords.

    Raises:
        NodeError: an option is unknown.
    """
    return Server(options, listener, **named)
