"""The parts of the radio that each of its sockets uses."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.buffers import SendBuffers
from tessel.cc3000.sockets import LARGEST_SEND, Sockets
from tessel.radio.cc3000.poll import Poll


@dataclass(frozen=True, slots=True)
class TransferSizes:
    """The sizes of reads and writes on a TCP connection, and the number of reads in a row."""

    read: int = LARGEST_SEND
    write: int = LARGEST_SEND
    """Bytes in one command. The Tessel's runtime used 512 to read and 1024 to write."""

    by_packet: bool = False
    """Fill each packet, whatever `read` and `write` are. A simulated chip can do that; the Tessel's
    runtime never tried it with a real one."""

    reads: int = 1
    """Full reads of one connection before the next connection's turn. The chip is not asked between
    them whether there is more, and the bytes are delivered in one piece. Only a full read is
    followed by another: a read that finds nothing blocks the chip for 10 ms."""

    @property
    def largest_read(self) -> int:
        """Bytes that one read asks for."""
        return LARGEST_SEND if self.by_packet else self.read

    @property
    def largest_write(self) -> int:
        """Bytes that one send carries at most."""
        return LARGEST_SEND if self.by_packet else self.write


@dataclass(frozen=True, slots=True)
class SocketContext:
    """The driver's sockets and buffers, the poll, the clock and the transfer sizes."""

    sockets: Sockets
    buffers: SendBuffers
    poll: Poll
    clock: IReactorTime
    sizes: TransferSizes
