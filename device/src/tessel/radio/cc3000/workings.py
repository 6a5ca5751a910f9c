"""What every socket of the radio works with."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.buffers import Buffers
from tessel.cc3000.sockets import LARGEST_SEND, Sockets
from tessel.radio.cc3000.poll import Poll


@dataclass(frozen=True, slots=True)
class Sizes:
    """Octets of a stream at once: what one packet carries. The Tessel's runtime: 512 and 1024."""

    read: int = LARGEST_SEND
    write: int = LARGEST_SEND


@dataclass(frozen=True, slots=True)
class Workings:
    sockets: Sockets
    buffers: Buffers
    poll: Poll
    clock: IReactorTime
    sizes: Sizes
