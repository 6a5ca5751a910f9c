"""An agent's idle connection, between two requests."""

from math import inf

from tessel.node.net import Socket


class Parked:
    """Keeps an idle connection, which does not keep the program alive, until its next request.

    Closes the connection after `timeout_ms`, when the server ends it, and when data arrives: that
    data would be parsed as the response to the next request.
    """

    def __init__(self, socket: Socket, timeout_ms: float) -> None:
        self._socket = socket
        for event in ("data", "end", "timeout"):
            socket.on(event, self._close)
        socket.set_timeout(0 if timeout_ms == inf else timeout_ms)
        socket.unref()
        socket.resume()

    def leave(self) -> None:
        """Stop watching the connection: a request uses it now, and it keeps the program alive."""
        for event in ("data", "end", "timeout"):
            self._socket.off(event, self._close)
        if not self._socket.destroyed:
            self._socket.set_timeout(0)
            self._socket.ref()

    def _close(self, *_: object) -> None:
        self._socket.destroy()
