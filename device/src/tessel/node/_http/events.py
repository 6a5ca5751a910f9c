"""The parts of an HTTP message as the parser reports them, and the error for malformed bytes.

A message is one head, any number of `Body` and one `End`.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from tessel.errors import NodeError

Fields: TypeAlias = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Holds the request line and the header fields of a received request."""

    method: str
    target: str
    version: str
    fields: Fields
    keep_alive: bool
    upgrade: bool  # CONNECT, or `Connection: upgrade` with an `Upgrade` field


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Holds the status line and the header fields of a received response."""

    status_code: int
    reason: str
    version: str
    fields: Fields
    keep_alive: bool
    upgrade: bool  # what follows is another protocol

    @property
    def informational(self) -> bool:
        """True for a status such as 100 or 103: another response follows on the connection."""
        return self.status_code < HTTPStatus.OK and not self.final

    @property
    def final(self) -> bool:
        """True if no other response to the same request follows: status 101, or not 100 to 199.

        A 101 is final as in Node, also without the header fields that switch the protocol.
        """
        return self.status_code >= HTTPStatus.OK or (
            self.status_code == HTTPStatus.SWITCHING_PROTOCOLS
            or self.status_code < HTTPStatus.CONTINUE
        )


@dataclass(frozen=True, slots=True)
class Body:
    """Holds a part of a message's body, without chunk framing."""

    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """Marks the end of a message, and holds its trailers."""

    trailers: Fields = ()


Event: TypeAlias = RequestHead | ResponseHead | Body | End


class HttpWireError(NodeError):
    """Raised when the peer sent malformed HTTP, exceeded a limit, or was too slow.

    `status` is the HTTP status with which a server refuses the request.
    """

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message, code)
        self.status = status  # the status with which a server refuses it
