"""What every socket of the radio works with."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from tessel.cc3000.buffers import Buffers
from tessel.cc3000.sockets import Sockets
from tessel.radio.cc3000.poll import Poll


@dataclass(frozen=True, slots=True)
class Workings:
    sockets: Sockets
    buffers: Buffers
    poll: Poll
    clock: IReactorTime
