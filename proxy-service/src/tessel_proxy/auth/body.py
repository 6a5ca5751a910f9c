"""A response's body, read whole up to a limit, its connection closed when it is not wanted."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse


class BodyTooLargeError(Exception):
    """The body is larger than whoever reads it allows."""


def read_body(response: IResponse, max_bytes: int) -> Deferred[bytes]:
    """The whole body. treq's and Twisted's own readers have no limit, and go on when cancelled."""
    body = _Body(max_bytes)
    response.deliverBody(body)
    return body.whole


class _Body(Protocol):
    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self.whole: Deferred[bytes] = Deferred(self._cut)

    def _cut(self, _cancelled: object = None) -> None:
        if self.transport is not None:
            self.transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        if self.whole.called:
            return
        self._buffer += data
        if len(self._buffer) > self._max_bytes:
            self._buffer.clear()
            self._cut()
            self.whole.errback(BodyTooLargeError(f"more than {self._max_bytes} bytes"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        # Without a stated length the close is the end; cut JSON is found out by its reader.
        if isinstance(reason.value, (ResponseDone, PotentialDataLoss)):
            self.whole.callback(bytes(self._buffer))
        else:
            self.whole.errback(reason)
