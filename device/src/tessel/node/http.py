"""`http`: requests and servers in the Node manner.

    from tessel import http

    http.get("http://example.com/", lambda response: response.pipe(open("page.html", "wb")))

and a server:

    from tessel import http

    def answer(request, response):
        response.end("hello")
        server.close()

    server = http.create_server(answer).listen(8080)

Whether a connection goes directly or through the tunnel makes no difference here. Options such as
`proxy=False` are handed on to `net.connect`.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from tessel.errors import NodeError
from tessel.node._http.agent import Agent
from tessel.node._http.headers import check_name, check_value
from tessel.node._http.messages import IncomingMessage
from tessel.node._http.options import (
    MAX_HEADER_BYTES,
    RequestOptions,
    Target,
    request_options,
)
from tessel.node._http.outgoing import OutgoingMessage
from tessel.node._http.request import ClientRequest
from tessel.node._http.server import Server, ServerResponse, create_server
from tessel.node._http.vocabulary import METHODS, STATUS_CODES
from tessel.node.base.arguments import ArgumentTypeError, callback, options_mapping, split_callback
from tessel.node.net import Socket

__all__ = [
    "METHODS",
    "STATUS_CODES",
    "Agent",
    "ClientRequest",
    "IncomingMessage",
    "OutgoingMessage",
    "Server",
    "ServerResponse",
    "create_server",
    "get",
    "global_agent",
    "max_header_size",
    "request",
    "validate_header_name",
    "validate_header_value",
]

max_header_size = MAX_HEADER_BYTES  # bytes

validate_header_name = check_name
validate_header_value = check_value

global_agent = Agent(keep_alive=True)

Callback: TypeAlias = Callable[[IncomingMessage], object]
Options: TypeAlias = Mapping[str, object]


def request(
    target: Target | None = None,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
    **named: object,
) -> ClientRequest:
    """`request(url, callback)`, `request(options, callback)` or `request(url, options, callback)`.

    Options may also be keywords, which win: `request(url, callback, method="POST")`. The request is
    sent when `end` is called. The callback is for `response`.
    """
    return made(target, (options, callback), named, global_agent)


def get(
    target: Target | None = None,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
    **named: object,
) -> ClientRequest:
    """As `request`, and sent at once."""
    return request(target, options, callback, **named).end()


def made(
    target: Target | None,
    rest: tuple[Options | Callback | None, Callback | None],
    named: Mapping[str, object],
    default: Agent,
) -> ClientRequest:
    """A request by the agent it names, else by the default one, which tells the protocol."""
    scheme = default.protocol.rstrip(":")
    target, callback, options = _arguments(target, *rest, f"{scheme}.request")
    parsed = request_options(target, {**options, **named}, scheme)
    made = ClientRequest(parsed, _agent(parsed, default))
    if callback is not None:
        made.once("response", callback)
    return made


def _arguments(
    target: object, options: object, callback: object, where: str
) -> tuple[Target, Callback | None, Options]:
    given, last = split_callback((target, options, callback), 2, where)
    first = given[0] if given and given[0] is not None else {}
    if not isinstance(first, str | Mapping):
        raise ArgumentTypeError("url", "text, or a mapping of options", first)
    return first, last, options_mapping(given[1] if len(given) > 1 else None)


def _agent(options: RequestOptions, default: Agent) -> Agent:
    named = options.agent
    if options.create_connection is not None and named is None:
        return _connecting(callback(options.create_connection, "create_connection"), default)
    if named is None:
        return default
    if named is False:
        return type(default)()  # one connection, for this request alone
    if isinstance(named, Agent) and named.protocol == default.protocol:
        return named
    raise NodeError(
        f"agent {named!r}; expected one for {default.protocol}, or False", "ERR_INVALID_ARG_TYPE"
    )


def _connecting(connect: Callable[..., object], default: Agent) -> Agent:
    """An agent of one request, whose program connects itself."""

    class Connecting(type(default)):  # type: ignore[misc]  # the protocol's own class
        def create_connection(self, options: Options) -> Socket:
            socket = connect(options)
            if isinstance(socket, Socket):
                return socket
            raise ArgumentTypeError(
                "create_connection()", "a function that returns a socket", socket
            )

    return Connecting()
