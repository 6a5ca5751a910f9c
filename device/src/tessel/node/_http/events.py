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
    """The request line and the header fields of a request."""

    method: str
    target: str
    version: str
    fields: Fields
    keep_alive: bool
    upgrade: bool  # CONNECT, or `Connection: upgrade` with an `Upgrade` field


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The status line and the header fields of a response."""

    status_code: int
    reason: str
    version: str
    fields: Fields
    keep_alive: bool
    upgrade: bool  # what follows is another protocol

    @property
    def informational(self) -> bool:
        return self.status_code < HTTPStatus.OK and not self.final

    @property
    def final(self) -> bool:
        """A 101 is the last response: a switch of protocols, or without the fields of a switch an
        answer of its own, as in Node.
        """
        return self.status_code >= HTTPStatus.OK or (
            self.status_code == HTTPStatus.SWITCHING_PROTOCOLS
            or self.status_code < HTTPStatus.CONTINUE
        )


@dataclass(frozen=True, slots=True)
class Body:
    data: bytes


@dataclass(frozen=True, slots=True)
class End:
    """The message is complete."""

    trailers: Fields = ()


Event: TypeAlias = RequestHead | ResponseHead | Body | End


class HttpWireError(NodeError):
    """The peer sent malformed HTTP, or exceeded a limit."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(message, code)
        self.status = status  # the status with which a server refuses it
