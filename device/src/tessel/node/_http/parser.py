"""Parses HTTP/1 bytes into events with llhttp, Node's own parser, which `httptools` wraps.

This file adds limits on the peer's bytes, bodies that end with the connection, responses without a
body (HEAD, CONNECT), and an `Upgrade` that the program does not accept.
See docs/decisions/0018-http-is-parsed-by-llhttp.md.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus

import httptools

from tessel.node._http.collector import PORTION, Collector, RequestCollector, ResponseCollector
from tessel.node._http.events import End, Event, HttpWireError, RequestHead, ResponseHead
from tessel.node._http.faults import cut_short, parse_error

_NO_CONTENT = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
_CHUNKED = re.compile(rb"(?:.*,)?[ \t]*chunked[ \t]*", re.IGNORECASE | re.DOTALL)


class HttpParser:
    """Parses the bytes that a connection receives into events.

    Call `receive` with bytes, then iterate over `events`, which stops after each message. Limits
    are in bytes; a `max_body_bytes` of None is no limit. `insecure` accepts some malformed
    messages.
    """

    def __init__(
        self, max_header_bytes: int, max_body_bytes: int | None, *, insecure: bool = False
    ) -> None:
        self._limits = (max_header_bytes, max_body_bytes)
        self._insecure = insecure
        self._rest = b""  # not yet given to the parser
        self._fault: HttpWireError | None = None  # raised by `events` after the last event
        self._switched = False  # True: the rest belongs to another protocol
        self._begin()

    def _begin(self) -> None:
        raise NotImplementedError

    @property
    def pending(self) -> int:
        """The number of received bytes that are not parsed yet."""
        return len(self._rest)

    @property
    def between(self) -> bool:
        """True if no byte of the next message was received."""
        return not (self._message.open or self._message.events or self._rest or self._fault)

    def receive(self, data: bytes) -> None:
        """Add received bytes, which `events` parses later."""
        self._rest = self._rest + data if self._rest else data

    def events(self) -> Iterator[Event]:
        """Yield the events of received bytes up to the end of one message.

        Raises HttpWireError for malformed bytes and for exceeded limits.
        """
        while True:
            while self._message.events:
                event = self._message.events.popleft()
                yield event
                if isinstance(event, End):
                    return
            if self._fault is not None:
                raise self._fault
            if not self._rest or self._switched:
                return
            portion, self._rest = self._portion()
            self._feed(portion)

    def end(self) -> Iterator[Event]:
        """Yield the last events after the peer has closed its writing half.

        Raises HttpWireError if the message is not complete.
        """
        last = None
        for last in self.events():
            yield last
        if self._message.open and not isinstance(last, End):
            raise cut_short()

    def left_over(self) -> bytes:
        """Return the bytes received after a switch of protocols, which HTTP does not parse."""
        return self._rest

    def _feed(self, data: bytes) -> None:
        try:
            self._message.parser.feed_data(data)
            self._message.given(len(data))
        except httptools.HttpParserUpgrade as upgrade:
            self._switched = True
            self._rest = data[upgrade.args[0] :] + self._rest
        except httptools.HttpParserCallbackError as problem:
            self._fault = _cause(problem)
        except httptools.HttpParserError as problem:
            self._fault = parse_error(str(problem))
        except HttpWireError as fault:
            self._fault = fault

    def _portion(self) -> tuple[bytes, bytes]:
        """Return the bytes to parse now and the bytes to parse later."""
        if self._message.in_head or not self._message.open:
            return self._rest[:PORTION], self._rest[PORTION:]
        return self._rest, b""

    def _start(self, message: Collector, parser: type) -> None:
        message.parser = parser(message)
        if self._insecure:
            message.parser.set_dangerous_leniencies(
                lenient_headers=True,
                lenient_chunked_length=True,
                lenient_keep_alive=True,
                lenient_transfer_encoding=True,
                lenient_version=True,
                lenient_data_after_close=True,
                lenient_optional_lf_after_cr=True,
                lenient_optional_cr_before_lf=True,
                lenient_optional_crlf_after_chunk=True,
                lenient_spaces_after_chunk_size=True,
            )
        self._message = message


class RequestParser(HttpParser):
    """Parses the requests that a server receives."""

    def _begin(self) -> None:
        self._start(RequestCollector(*self._limits), httptools.HttpRequestParser)

    def decline(self, head: RequestHead) -> None:
        """Parse a request with `Upgrade` as an ordinary one: no listener accepts the upgrade.

        llhttp stopped after the head. A new parser gets the same head without `Upgrade`, because
        the other fields define where the request ends.
        """
        self._switched = False
        self._begin()
        self._feed(_without_upgrade(head))  # whole: the head was checked against the limits before
        if self._message.events:
            self._message.events.popleft()  # the head: the caller has it


class ResponseParser(HttpParser):
    """Parses the response to one request, and the informational responses before it.

    `method` is that of the request: a response to HEAD or CONNECT has no body.
    """

    def __init__(
        self,
        max_header_bytes: int,
        max_body_bytes: int | None,
        *,
        method: str = "GET",
        insecure: bool = False,
    ) -> None:
        self._method = method
        self._until_end = False  # True: the body ends with the connection
        self._complete = False
        super().__init__(max_header_bytes, max_body_bytes, insecure=insecure)

    def _begin(self) -> None:
        self._start(ResponseCollector(*self._limits), httptools.HttpResponseParser)

    def events(self) -> Iterator[Event]:
        """Yield the events of received bytes up to the end of the response.

        Raises HttpWireError for malformed bytes and for exceeded limits.
        """
        if self._complete:
            return
        for event in super().events():
            if not isinstance(event, ResponseHead):
                self._complete = isinstance(event, End)
                yield event
            elif event.informational:
                self._begin()  # never has a body, even with Content-Length
                yield event
            else:
                yield from self._final(event)
            if self._complete:
                return

    def end(self) -> Iterator[Event]:
        """Yield the last events after the server has closed its writing half.

        This completes a body without a length. Raises HttpWireError if the response is cut short.
        """
        yield from self.events()
        if self._complete:
            return
        if not self._until_end:
            raise cut_short()
        self._complete = True
        yield End()

    def _final(self, head: ResponseHead) -> Iterator[Event]:
        if not self._is_without_body(head):
            self._until_end = not _is_framed(head)
            yield head
            return
        self._message.events.clear()
        self._message.open = False
        self._fault = None
        self._complete = True
        yield head
        yield End()

    def _is_without_body(self, head: ResponseHead) -> bool:
        no_body = self._method in ("HEAD", "CONNECT")
        return no_body or head.status_code == HTTPStatus.SWITCHING_PROTOCOLS

    def _portion(self) -> tuple[bytes, bytes]:
        """Split off one line of a head: the parser may have to stop where the head ends."""
        if not self._message.in_head and self._message.open:
            return self._rest, b""
        end = self._rest.find(b"\n", 0, PORTION) + 1 or PORTION
        return self._rest[:end], self._rest[end:]


def _without_upgrade(head: RequestHead) -> bytes:
    lines = [f"POST / HTTP/{head.version}".encode("ascii")]  # any method and target will do
    lines += [name + b": " + value for name, value in head.fields if name.lower() != b"upgrade"]
    return b"\r\n".join([*lines, b"", b""])


def _is_framed(head: ResponseHead) -> bool:
    named = {name.lower(): value for name, value in head.fields}
    if b"transfer-encoding" in named:
        return _CHUNKED.fullmatch(named[b"transfer-encoding"]) is not None
    return b"content-length" in named or head.status_code in _NO_CONTENT


def _cause(problem: BaseException) -> HttpWireError:
    """Return the HttpWireError that a callback raised; raise any other error again."""
    fault = problem.__context__
    if not isinstance(fault, HttpWireError):
        raise problem
    return fault
