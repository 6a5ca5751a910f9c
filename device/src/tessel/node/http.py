"""HTTP requests and servers in the manner of Node's `http`.

    from tessel import http

    http.get("http://example.com/", lambda response: response.pipe(open("page.html", "wb")))

A server:

    from tessel import http

    def answer(request, response):
        response.end("hello")
        server.close()

    server = http.create_server(answer).listen(8080)

Connections go directly or through the tunnel, as those of `net`. Options such as `proxy=False` are
passed to `net.connect`.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from tessel.errors import NodeError
from tessel.node._http.agent import HttpAgent
from tessel.node._http.headers import check_name, check_value
from tessel.node._http.messages import IncomingMessage
from tessel.node._http.options import (
    MAX_HEADER_BYTES,
    RequestOptions,
    RequestTarget,
    request_options,
)
from tessel.node._http.outgoing import OutgoingMessage
from tessel.node._http.request import ClientRequest
from tessel.node._http.response import ServerResponse
from tessel.node._http.server import HttpServer, create_server
from tessel.node._http.sparing_agent import SparingAgent
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


def __dir__() -> list[str]:
    return __all__


Agent = HttpAgent
Server = HttpServer

max_header_size = MAX_HEADER_BYTES  # bytes

validate_header_name = check_name
validate_header_value = check_value

global_agent: HttpAgent = SparingAgent(keep_alive=True)

Callback: TypeAlias = Callable[[IncomingMessage], object]
Options: TypeAlias = Mapping[str, object]


def request(
    target: RequestTarget | None = None,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
    **named: object,
) -> ClientRequest:
    """Create a request. Write its body, if there is one, and call its `end` to send it.

    Call it as `request(url, callback)`, `request(options, callback)` or
    `request(url, options, callback)`. Keywords override the mapping:
    `request(url, callback, method="POST")`.

    Args:
        target: a URL, or the options.
        options: among others `method`, `path`, `headers`, `host`, `port`, `auth`, `agent`,
            `timeout` (ms), `max_header_size` and `max_body_size` (bytes), and those of
            `net.connect`.
        callback: a listener for `response`. It is called with the IncomingMessage.
        named: options as keywords.

    Raises:
        NodeError: an argument is wrong. A failed request is its `error` event.

    """
    return made(target, (options, callback), named, global_agent)


def get(
    target: RequestTarget | None = None,
    options: Options | Callback | None = None,
    callback: Callback | None = None,
    **named: object,
) -> ClientRequest:
    """Create a request and send it at once, without a body. For the arguments see `request`."""
    return request(target, options, callback, **named).end()


def made(
    target: RequestTarget | None,
    rest: tuple[Options | Callback | None, Callback | None],
    named: Mapping[str, object],
    default: HttpAgent,
) -> ClientRequest:
    """Return a new request, as `request` does: `rest` holds options and callback.

    `default` is the agent for requests without the option `agent`. Its protocol, "http:" or
    "https:", is that of the request.
    """
    scheme = default.protocol.rstrip(":")
    target, callback, options = _arguments(target, *rest, f"{scheme}.request")
    parsed = request_options(target, {**options, **named}, scheme)
    made = ClientRequest(parsed, _agent(parsed, default))
    if callback is not None:
        made.once("response", callback)
    return made


def _arguments(
    target: object, options: object, callback: object, where: str
) -> tuple[RequestTarget, Callback | None, Options]:
    given, last = split_callback((target, options, callback), 2, where)
    first = given[0] if given and given[0] is not None else {}
    if not isinstance(first, str | Mapping):
        raise ArgumentTypeError("url", "text, or a mapping of options", first)
    return first, last, options_mapping(given[1] if len(given) > 1 else None)


def _agent(options: RequestOptions, default: HttpAgent) -> HttpAgent:
    named = options.agent
    if options.create_connection is not None and named is None:
        return _connecting(callback(options.create_connection, "create_connection"), default)
    if named is None:
        return default
    if named is False:
        return type(default)()  # one connection, for this request alone
    if isinstance(named, HttpAgent) and named.protocol == default.protocol:
        return named
    raise NodeError(
        f"agent {named!r}; expected one for {default.protocol}, or False", "ERR_INVALID_ARG_TYPE"
    )


def _connecting(connect: Callable[..., object], default: HttpAgent) -> HttpAgent:
    """Return an agent for one request: the program's own function opens the connection."""

    class OneRequestAgent(type(default)):  # type: ignore[misc]  # the protocol's own class
        def create_connection(self, options: Options) -> Socket:
            socket = connect(options)
            if isinstance(socket, Socket):
                return socket
            raise ArgumentTypeError(
                "create_connection()", "a function that returns a socket", socket
            )

    return OneRequestAgent()
