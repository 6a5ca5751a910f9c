"""The body of an outgoing message as bytes on the wire: measured, in chunks, up to the end of the
connection, or none at all.
"""

from typing import Protocol

from tessel.errors import NodeError

Trailers = list[tuple[bytes, bytes]]


class OutgoingBody(Protocol):
    """Frames the body of one message to send.

    `write` returns the bytes on the wire for a part of the body. `end` returns the last bytes, with
    the trailers if the framing can carry them.
    """

    @property
    def closes(self) -> bool:
        """True if the connection must be closed after the body."""

    def write(self, data: bytes) -> bytes: ...
    def end(self, trailers: Trailers) -> bytes: ...


class NoBody:
    """The framing of a message without a body, such as a response to HEAD: drops written bytes."""

    closes = False

    def write(self, data: bytes) -> bytes:  # noqa: ARG002 - dropped
        """Return no bytes: the data is dropped."""
        return b""

    def end(self, trailers: Trailers) -> bytes:  # noqa: ARG002 - there is no place for them
        """Return no bytes: the trailers are dropped."""
        return b""


class MeasuredBody:
    """The framing of a body with a `Content-Length`.

    Excess bytes are dropped, because the peer would parse them as the next message. If the body is
    too short, the connection is closed, so that the peer notices the missing bytes. With `strict`
    both cases raise NodeError.
    """

    def __init__(self, length: int, *, strict: bool = False) -> None:
        self._length = self._left = length
        self._strict = strict
        self.closes = False

    def write(self, data: bytes) -> bytes:
        """Return the data without excess bytes; with `strict` raise NodeError for excess bytes."""
        surplus = len(data) > self._left
        if surplus and self._strict:
            raise self._mismatch(self._length - self._left + len(data))
        self.closes |= surplus
        sent = data[: self._left]
        self._left -= len(sent)
        return sent

    def end(self, trailers: Trailers) -> bytes:  # noqa: ARG002 - there is no place for them
        """Return no bytes; drop the trailers. With `strict` raise NodeError for a short body."""
        if self._left and self._strict:
            raise self._mismatch(self._length - self._left)
        self.closes |= self._left > 0
        return b""

    def _mismatch(self, nbytes: int) -> NodeError:
        return NodeError(
            f"Response body's content-length of {nbytes} byte(s) does not match the"
            f" content-length of {self._length} byte(s) set in header",
            "ERR_HTTP_CONTENT_LENGTH_MISMATCH",
        )


class ChunkedBody:
    """The framing of a body with `Transfer-Encoding: chunked`."""

    closes = False

    def write(self, data: bytes) -> bytes:
        """Return the data as one chunk; no bytes for empty data, which would end the body."""
        return b"%x\r\n%b\r\n" % (len(data), data) if data else b""

    def end(self, trailers: Trailers) -> bytes:
        """Return the last chunk, with the trailers."""
        return b"0\r\n" + header_lines(trailers) + b"\r\n"


class UnmeasuredBody:
    """The framing of a body that ends with the connection, for peers without chunked encoding."""

    closes = True

    def write(self, data: bytes) -> bytes:
        """Return the data unchanged."""
        return data

    def end(self, trailers: Trailers) -> bytes:  # noqa: ARG002 - there is no place for them
        """Return no bytes: the trailers are dropped, and the connection is closed."""
        return b""


def header_lines(pairs: Trailers) -> bytes:
    """Return names and values as header lines, each with CR LF at its end."""
    return b"".join(b"%b: %b\r\n" % pair for pair in pairs)
