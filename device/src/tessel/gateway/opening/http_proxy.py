"""HTTP/1: CONNECT, and requests for http:// addresses, which are passed on.

A client's connection carries one request of the second kind. Its target gets `Connection: close`
and so closes the connection after its response, which is passed on as it is. So the gateway need
not understand responses, and no response can be taken for that of another request.
See RFC 9110, 7.6 (what a proxy removes) and RFC 9112, 3.2.2 and 3.2.3 (the targets).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from http import HTTPStatus
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from tessel.gateway.opening.credentials import Credentials
from tessel.gateway.opening.dialect import split_authority
from tessel.gateway.opening.events import Connect, Event, Refuse, ToTarget
from tessel.gateway.opening.outcomes import CODES, Outcome
from tessel.node._http.events import Body, End, Fields, HttpWireError, RequestHead
from tessel.node._http.parser import RequestParser

MAX_HEAD_BYTES: Final = 64 * 1024
"""Bytes of a request's head: browsers send up to some 10 KiB of cookies to one site."""

HTTP_PORT: Final = 80

_HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"proxy-connection",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
        b"host",  # replaced by that of the request's target
    )
)
"""Fields that are not passed on."""


class State(Enum):
    """The state of a conversation."""

    HEAD = auto()
    CONNECTING = auto()  # after CONNECT: all further bytes belong to the target
    BODY = auto()  # of a request that is passed on
    COMPLETE = auto()  # the request is passed on; further bytes are ignored
    REFUSED = auto()


class Step(Enum):
    """The steps of an HTTP client's conversation."""

    CONNECT = auto()
    FORWARD = auto()
    END = auto()
    REFUSED = auto()


NEXT: Final[Mapping[State, Mapping[Step, State]]] = MappingProxyType(
    {
        State.HEAD: {
            Step.CONNECT: State.CONNECTING,
            Step.FORWARD: State.BODY,
            Step.REFUSED: State.REFUSED,
        },
        State.CONNECTING: {},
        State.BODY: {Step.END: State.COMPLETE, Step.REFUSED: State.REFUSED},
        State.COMPLETE: {},
        State.REFUSED: {},
    }
)
"""The states of a conversation. A step that a state does not have cannot happen."""


class HttpProxy:
    """The conversation with a client that speaks HTTP."""

    def __init__(self, credentials: Credentials | None) -> None:
        """`credentials` None: clients need no password."""
        self._credentials = credentials
        self._state = State.HEAD
        self._parser = RequestParser(MAX_HEAD_BYTES, None)
        self._is_chunked = False

    @property
    def is_transparent(self) -> bool:
        """True after CONNECT."""
        return self._state is State.CONNECTING

    def receive(self, data: bytes) -> Sequence[Event]:
        """Return what is to be done after bytes of the client; see Dialect."""
        if self._state is State.CONNECTING:
            return [ToTarget(data)]
        if self._state not in (State.HEAD, State.BODY):
            return []
        self._parser.receive(data)
        events: list[Event] = []
        try:
            events.extend(self._parsed())  # keeps those before a fault
        except HttpWireError as fault:
            events.append(self._refused(_outcome(fault), str(fault)))
        return events

    def answer(self, outcome: Outcome, detail: str) -> bytes:
        """Return the response for the end of an attempt; see Dialect.

        A connection for a request that is passed on needs none: the target writes the response.
        """
        if outcome is not Outcome.CONNECTED:
            return _response(outcome, detail)
        if self._state is State.CONNECTING:
            return b"HTTP/1.1 200 Connection established\r\n\r\n"
        return b""

    def _parsed(self) -> Iterator[Event]:
        for event in self._parser.events():
            match event:
                case RequestHead():
                    yield from self._head(event)
                    if self._state is not State.BODY:
                        return  # what follows is not HTTP, or not wanted
                case Body() if self._state is State.BODY:
                    yield ToTarget(_chunk(event.data) if self._is_chunked else event.data)
                case End() if self._state is State.BODY:
                    self._state = NEXT[self._state][Step.END]
                    if self._is_chunked:
                        yield ToTarget(b"0\r\n\r\n")  # without trailers, which few servers read
                case _:
                    raise AssertionError(f"{event} in {self._state}")

    def _head(self, head: RequestHead) -> Iterator[Event]:
        if self._credentials is not None and not _is_authorized(head.fields, self._credentials):
            yield self._refused(Outcome.WRONG_PASSWORD, "")
        elif head.method == "CONNECT":
            yield from self._connect(head)
        else:
            yield from self._forward(head)

    def _connect(self, head: RequestHead) -> Iterator[Event]:
        target = split_authority(head.target, None)
        if target is None or b"transfer-encoding" in _names(head.fields):  # it has no body
            yield self._refused(Outcome.MALFORMED, f"CONNECT {head.target[:100]!r}")
            return
        self._state = NEXT[self._state][Step.CONNECT]
        yield Connect(*target)
        if early := self._parser.left_over():
            yield ToTarget(early)

    def _forward(self, head: RequestHead) -> Iterator[Event]:
        outcome, host, port, path = _target(head.target)
        if outcome is not Outcome.CONNECTED:
            yield self._refused(outcome, f"{head.method} {head.target[:100]!r}")
            return
        self._state = NEXT[self._state][Step.FORWARD]
        self._is_chunked = b"transfer-encoding" in _names(head.fields)
        yield Connect(host, port)
        yield ToTarget(_rewritten(head, host, port, path, is_chunked=self._is_chunked))
        if head.upgrade:
            self._parser.decline(head)

    def _refused(self, outcome: Outcome, detail: str) -> Refuse:
        # a target that gets a malformed body must not take it for a complete one
        response = b"" if self._state is State.BODY else _response(outcome, detail)
        self._state = NEXT[self._state][Step.REFUSED]
        return Refuse(response, outcome, detail)


def _outcome(fault: HttpWireError) -> Outcome:
    if fault.status == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
        return Outcome.HEAD_TOO_LARGE
    return Outcome.MALFORMED


def _names(fields: Fields) -> frozenset[bytes]:
    return frozenset(name.lower() for name, _ in fields)


def _is_authorized(fields: Fields, credentials: Credentials) -> bool:
    sent = [value for name, value in fields if name.lower() == b"proxy-authorization"]
    return len(sent) == 1 and credentials.match_basic(sent[0])


def _target(text: str) -> tuple[Outcome, str, int, str]:
    """Return host, port and path of a request's target; without CONNECTED, why there are none."""
    scheme, found, _ = text.partition("://")
    if not found or text.startswith("/"):
        return Outcome.NOT_FOR_A_PROXY, "", 0, ""
    if scheme.lower() != "http":
        return Outcome.UNSUPPORTED_SCHEME, "", 0, ""
    try:
        parts = urlsplit(text)
    except ValueError:  # such as unbalanced brackets
        return Outcome.MALFORMED, "", 0, ""
    target = split_authority(parts.netloc, HTTP_PORT)
    if target is None:
        return Outcome.MALFORMED, "", 0, ""
    query = f"?{parts.query}" if parts.query else ""
    return Outcome.CONNECTED, *target, f"{parts.path or '/'}{query}"


def _rewritten(head: RequestHead, host: str, port: int, path: str, *, is_chunked: bool) -> bytes:
    """Return the head of a request for its target."""
    name = f"[{host}]" if ":" in host else host
    authority = name if port == HTTP_PORT else f"{name}:{port}"
    lines = [
        f"{head.method} {path} HTTP/{head.version}".encode("latin-1"),
        f"Host: {authority}".encode("latin-1"),
        *(name + b": " + value for name, value in _end_to_end(head.fields)),
        b"Connection: close",
    ]
    if is_chunked:
        lines.append(b"Transfer-Encoding: chunked")
    return b"\r\n".join([*lines, b"", b""])


def _end_to_end(fields: Fields) -> Iterator[tuple[bytes, bytes]]:
    """Return the fields that a proxy passes on."""
    dropped = _HOP_BY_HOP | frozenset(_named_in_connection(fields))
    return ((name, value) for name, value in fields if name.lower() not in dropped)


def _named_in_connection(fields: Fields) -> Iterable[bytes]:
    for name, value in fields:
        if name.lower() == b"connection":
            yield from (each.strip().lower() for each in value.split(b","))


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _response(outcome: Outcome, detail: str) -> bytes:
    """Return a response of the gateway itself. The client has to close after it."""
    status = CODES[outcome].http
    text = f"tessel gateway: {outcome.value}{f' ({detail})' if detail else ''}\n".encode()
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(text)}",
        "Connection: close",
        "Proxy-Connection: close",
    ]
    if status is HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        lines.append('Proxy-Authenticate: Basic realm="tessel gateway", charset="UTF-8"')
    return "\r\n".join([*lines, "", ""]).encode() + text
