"""What every socket of the radio works with."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.buffers import SendBuffers
from tessel.cc3000.sockets import LARGEST_SEND, Sockets
from tessel.radio.cc3000.poll import Poll


@dataclass(frozen=True, slots=True)
class TransferSizes:
    """Bytes of a stream at once: what one packet carries. The Tessel's runtime: 512 and 1024.

    `by_packet`: one command carries as many of these pieces as a packet holds. A simulated chip
    bears that; the Tessel's runtime never asked it of a real one.
    `reads`: full reads of a connection before the next connection has its turn. The chip is not
    asked between them, and they are delivered in one piece. A read that finds nothing keeps the
    chip for 10 ms, so only a full one is followed by another.
    """

    read: int = LARGEST_SEND
    write: int = LARGEST_SEND
    by_packet: bool = False
    reads: int = 1

    @property
    def largest_read(self) -> int:
        return LARGEST_SEND if self.by_packet else self.read

    @property
    def largest_write(self) -> int:
        return LARGEST_SEND if self.by_packet else self.write


@dataclass(frozen=True, slots=True)
class SocketContext:
    sockets: Sockets
    buffers: SendBuffers
    poll: Poll
    clock: IReactorTime
    sizes: TransferSizes
