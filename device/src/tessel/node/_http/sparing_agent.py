"""The agent of requests that name none: it keeps no idle connection of a chip."""

from __future__ import annotations

from tessel.node._http.agent import HttpAgent
from tessel.node._net.socket_facts import is_scarce
from tessel.node.net import Socket


class SparingAgent(HttpAgent):
    """An agent that closes idle connections of a chip, which has only four sockets.

    If it kept them, a request to a fifth target would fail. It keeps those through the tunnel.
    """

    def keep_socket_alive(self, socket: Socket) -> bool:
        """Return whether to keep an idle connection: not if it takes one of the chip's sockets."""
        return not is_scarce(socket) and super().keep_socket_alive(socket)
