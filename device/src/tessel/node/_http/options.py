"""The options of a request: parse a URL or a mapping for the request and its socket.

Options that HTTP itself does not use (`proxy`, `ca`, `servername`, `family` and so on) are passed
to `net.connect` or `tls.connect`.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import quote, unquote, urlsplit

from tessel.errors import NodeError
from tessel.node._http.headers import OutgoingHeaders, header_pairs, is_token
from tessel.node._net.options import (
    TLS_OPTIONS,
    UNSUPPORTED_OF_TLS,
    valid_timeout,
)
from tessel.node.base.arguments import check_options, text_or_none

# As in Node; for the whole head, with the first line.
MAX_HEADER_BYTES = 16 * 1024
# Characters that are kept in a URL; others are percent-encoded, as browsers do.
_URL_CHARACTERS = "!#$%&'()*+,-./:;=?@[]_~"

_OF_HTTP = frozenset(
    {"protocol", "hostname", "method", "path", "headers", "auth", "agent", "timeout", "set_host"}
    | {"default_port", "max_header_size", "max_body_size", "insecure_http_parser"}
    | {"create_connection"}
)
# As in Node, options of TLS are allowed for http, too, and separate its connections.
REQUEST_OPTIONS = _OF_HTTP | (TLS_OPTIONS - {"callback"})
UNSUPPORTED_BY_REQUESTS = {
    **UNSUPPORTED_OF_TLS,
    "socket_path": "a device has no UNIX sockets",
    "join_duplicate_headers": "`headers_distinct` has every value by itself",
    "unique_headers": "pass a header once",
    "set_default_headers": "pass `set_host=False`, and set the header `Connection` yourself",
}


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """Holds the checked options of a request.

    `connection` holds the options of its socket. `timeout_ms` and `max_body_bytes` are None without
    a limit. `agent` is None for the default agent.
    """

    method: str
    path: str
    host: str
    headers: OutgoingHeaders
    connection: Mapping[str, object]
    timeout_ms: float | None
    max_header_bytes: int
    max_body_bytes: int | None
    agent: object
    create_connection: object = None  # a function that connects instead of the agent
    insecure: bool = False  # accept what llhttp refuses unless it is lenient


RequestTarget = str | Mapping[str, object]


def request_options(
    target: RequestTarget, extra: Mapping[str, object] | None, scheme: str
) -> RequestOptions:
    """Return the checked options of a request to `target`, a URL or a mapping.

    Options in `extra` override those of the target. `scheme` is "http" or "https". Raises NodeError
    for a wrong option or URL.
    """
    given = _of_url(target, scheme) if isinstance(target, str) else dict(target)
    given |= extra or {}
    check_options(given, REQUEST_OPTIONS, f"{scheme}.request", UNSUPPORTED_BY_REQUESTS)
    default_port = number(given, "default_port", {"http": 80, "https": 443}[scheme])
    _check_protocol(given, scheme)
    hostname = text_or_none(given.get("hostname"), "options.hostname")
    host = hostname or text_or_none(given.get("host"), "options.host") or "localhost"
    port = number(given, "port", default_port)
    return RequestOptions(
        method=_method(given),
        path=_path(given),
        host=host,
        headers=_headers(given, host, None if port == default_port else port),
        connection={
            **{name: value for name, value in given.items() if name not in _OF_HTTP},
            "host": host,
            "port": port,
        },
        timeout_ms=_timeout(given),
        max_header_bytes=number(given, "max_header_size", MAX_HEADER_BYTES),
        max_body_bytes=_limit(given, "max_body_size"),
        agent=given.get("agent"),
        create_connection=given.get("create_connection"),
        insecure=bool(given.get("insecure_http_parser", False)),
    )


def _of_url(url: str, scheme: str) -> dict[str, object]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise NodeError(f"URL {url!r}: {problem}", "ERR_INVALID_URL") from problem
    if not parts.hostname:
        raise NodeError(
            f"URL {url!r}; expected {scheme}://host[:port][/path][?query]", "ERR_INVALID_URL"
        )
    path = quote(parts.path or "/", safe=_URL_CHARACTERS)
    found: dict[str, object] = {
        "protocol": f"{parts.scheme}:",
        "host": _ascii_host(parts.hostname),
        "path": path + ("?" + quote(parts.query, safe=_URL_CHARACTERS) if parts.query else ""),
    }
    if port is not None:
        found["port"] = port
    if parts.username is not None:
        found["auth"] = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return found


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError as problem:
        raise NodeError(f"host {host!r}: {problem}", "ERR_INVALID_URL") from problem


def _check_protocol(given: Mapping[str, object], scheme: str) -> None:
    protocol = given.get("protocol", f"{scheme}:")
    if protocol != f"{scheme}:":
        raise NodeError(
            f"protocol {protocol!r} not supported; expected '{scheme}:'", "ERR_INVALID_PROTOCOL"
        )


def _method(given: Mapping[str, object]) -> str:
    method = text_or_none(given.get("method"), "options.method") or "GET"
    if not is_token(method):
        raise NodeError(f"method {method!r}; expected a word such as GET", "ERR_INVALID_HTTP_TOKEN")
    return method.upper()


def _path(given: Mapping[str, object]) -> str:
    path = text_or_none(given.get("path"), "options.path") or "/"
    # A space or line break in the path would allow to inject headers.
    if not all("!" <= each <= "~" for each in path):
        raise NodeError(
            f"path {path!r}; allowed: printable ASCII without spaces", "ERR_UNESCAPED_CHARACTERS"
        )
    return path


def _headers(given: Mapping[str, object], host: str, port: int | None) -> OutgoingHeaders:
    headers = OutgoingHeaders(header_pairs(given.get("headers") or None))
    if "host" not in headers and given.get("set_host", True):
        headers.set("Host", _host_header(host, port))
    auth = given.get("auth")
    if auth is not None and "authorization" not in headers:
        credentials = base64.b64encode(str(auth).encode()).decode("ascii")
        headers.set("Authorization", f"Basic {credentials}")
    return headers


def _host_header(host: str, port: int | None) -> str:
    shown = f"[{host}]" if _is_ipv6(host) else host
    return shown if port is None else f"{shown}:{port}"


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


def number(given: Mapping[str, object], name: str, default: int) -> int:
    """Return the option `name` as a whole number; `default` if it is not set.

    The option may be decimal digits as text. Raises NodeError for other values.
    """
    value = given.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
        raise NodeError(f"{name} {value!r}; expected a whole number", "ERR_INVALID_ARG_VALUE")
    return int(value)


def _limit(given: Mapping[str, object], name: str) -> int | None:
    return None if given.get(name) is None else number(given, name, 0)


def _timeout(given: Mapping[str, object]) -> float | None:
    return None if given.get("timeout") is None else valid_timeout(given["timeout"])
