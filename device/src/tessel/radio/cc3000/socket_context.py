"""Objects that all sockets of the CC3000 radio share, and the sizes of their transfers."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.buffers import SendBuffers
from tessel.cc3000.sockets import LARGEST_SEND, Sockets
from tessel.radio.cc3000.poll import Poll


@dataclass(frozen=True, slots=True)
class TransferSizes:
    """The bytes that one command reads or writes on a TCP connection, and the reads in a row."""

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
        """The number of bytes that one read asks the chip for."""
        return LARGEST_SEND if self.by_packet else self.read

    @property
    def largest_write(self) -> int:
        """The largest number of bytes in one send command."""
        return LARGEST_SEND if self.by_packet else self.write


@dataclass(frozen=True, slots=True)
class SocketContext:
    """Objects that all sockets of a chip share: parts of the driver, poll, clock, sizes."""

    sockets: Sockets
    buffers: SendBuffers
    poll: Poll
    clock: IReactorTime
    sizes: TransferSizes
