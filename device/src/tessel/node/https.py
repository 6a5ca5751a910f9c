"""HTTPS requests in the manner of Node's `https`: as `http`, over TLS.

    from tessel import https

    https.get("https://example.com/", lambda response: print(response.status_code))

The options of `tls.connect`, such as `ca`, `servername` and `cert`, are passed to it. Requests that
differ in them never share a connection.
"""

from collections.abc import Mapping

from tessel.node import http, tls
from tessel.node._http.agent import of_connection
from tessel.node._http.options import RequestTarget
from tessel.node._http.request import ClientRequest
from tessel.node._http.sparing_agent import SparingAgent
from tessel.node._net.options import TLS_OPTIONS
from tessel.node.http import Callback, Options
from tessel.node.net import Socket

__all__ = ["Agent", "get", "global_agent", "request"]


def __dir__() -> list[str]:
    return __all__


class HttpsAgent(http.Agent):
    """A pool of TLS connections that requests share; for the options see `http.Agent`."""

    protocol = "https:"
    default_port = 443

    def create_connection(self, options: Mapping[str, object]) -> Socket:
        """Return a new TLS socket that connects for a request. Programs can override it."""
        return tls.connect(of_connection(options, TLS_OPTIONS))


class _SparingHttpsAgent(SparingAgent, HttpsAgent):
    """The agent of requests that name none."""


Agent = HttpsAgent
global_agent: HttpsAgent = _SparingHttpsAgent(keep_alive=True)


def request(
    target: RequestTarget | None = None,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
    **named: object,
) -> ClientRequest:
    """Create an HTTPS request; for the arguments see `http.request`."""
    return http.made(target, (options, callback), named, global_agent)


def get(
    target: RequestTarget | None = None,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
    **named: object,
) -> ClientRequest:
    """Create an HTTPS request and send it at once, without a body. See `http.request`."""
    return request(target, options, callback, **named).end()
