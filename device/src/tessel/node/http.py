"""`http`: requests and servers in the Node manner.

    http.get("http://example.com/", lambda response: response.pipe(file))

How a connection goes (directly, through the tunnel) is not to be seen here: options such as
`proxy=False` are handed on to `net.connect`.
"""

from collections.abc import Callable, Mapping
from http import HTTPMethod, HTTPStatus
from typing import TypeAlias

from tessel.errors import NodeError
from tessel.node.http_agent import Agent
from tessel.node.http_messages import IncomingMessage
from tessel.node.http_options import Target, request_options
from tessel.node.http_request import ClientRequest
from tessel.node.http_server import Server, ServerResponse, create_server

__all__ = [
    "METHODS",
    "STATUS_CODES",
    "Agent",
    "ClientRequest",
    "IncomingMessage",
    "Server",
    "ServerResponse",
    "create_server",
    "get",
    "global_agent",
    "request",
]

METHODS = sorted(HTTPMethod)
STATUS_CODES = {status.value: status.phrase for status in HTTPStatus}

global_agent = Agent(keep_alive=True)

Callback: TypeAlias = Callable[[IncomingMessage], object]
Options: TypeAlias = Mapping[str, object]


def request(
    target: Target,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
) -> ClientRequest:
    """`request(url, callback)`, `request(options, callback)` or `request(url, options, callback)`.

    It is sent when `end` is called. The callback is for `response`.
    """
    return made(target, options, callback, global_agent)


def get(
    target: Target,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
) -> ClientRequest:
    """As `request`, and sent at once."""
    return request(target, options, callback).end()


def made(
    target: Target, options: Options | Callback | None, callback: Callback | None, default: Agent
) -> ClientRequest:
    """A request by the agent it names, else by the default one, which tells the protocol."""
    if callable(options):
        options, callback = None, options
    parsed = request_options(target, options, default.protocol.rstrip(":"))
    made = ClientRequest(parsed, _agent(parsed.agent, default))
    if callback is not None:
        made.once("response", callback)
    return made


def _agent(named: object, default: Agent) -> Agent:
    if named is None:
        return default
    if named is False:
        return type(default)()  # one connection, for this request alone
    if isinstance(named, Agent) and named.protocol == default.protocol:
        return named
    raise NodeError(
        f"agent {named!r}; expected one for {default.protocol}, or False", "ERR_INVALID_ARG_TYPE"
    )
