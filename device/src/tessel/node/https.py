"""`https`: as `http`, over TLS. Options such as `ca` and `reject_unauthorized` are handed on to
`tls.connect`, and connections that differ in them are never shared.
"""

from collections.abc import Mapping

from tessel.node import http, tls
from tessel.node._http.agent import of_connection
from tessel.node._http.options import Target
from tessel.node._http.request import ClientRequest
from tessel.node._net.options import TLS_OPTIONS
from tessel.node.http import Callback, Options
from tessel.node.net import Socket

__all__ = ["Agent", "get", "global_agent", "request"]


class Agent(http.Agent):
    """A pool of TLS connections."""

    protocol = "https:"
    default_port = 443

    def create_connection(self, options: Mapping[str, object]) -> Socket:
        return tls.connect(of_connection(options, TLS_OPTIONS))


global_agent = Agent(keep_alive=True)


def request(
    target: Target | None = None,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
    **named: object,
) -> ClientRequest:
    """As `http.request`, with TLS."""
    return http.made(target, (options, callback), named, global_agent)


def get(
    target: Target | None = None,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
    **named: object,
) -> ClientRequest:
    """As `request`, and sent at once."""
    return request(target, options, callback, **named).end()
