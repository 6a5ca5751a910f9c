"""A command on its way to the chip: its bytes, its answer, and how long the chip may take."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from twisted.internet.defer import Deferred

from tessel.cc3000.hci.command import Message
from tessel.cc3000.hci.names import GetHostByName
from tessel.cc3000.hci.packets import DataPacket
from tessel.cc3000.hci.replies import Reply
from tessel.cc3000.hci.sockets import Connect, Receive, Select

ANSWER_TIMEOUT_S = 10.0
"""Seconds to wait for most answers. TI's driver waits as long for the slowest commands, and a real
chip took 1.2 s for the slowest."""

CONNECT_TIMEOUT_S = 75.0
"""Seconds to wait for a connect: TCP's own timeout for a silent peer. The chip answers after it."""

NAME_TIMEOUT_S = 30.0
"""Seconds to wait for the chip's own look-up of a name."""


class PendingCommand:
    """A command that waits in the driver's queue or for the chip's answer."""

    def __init__(self, message: Message[Any]) -> None:
        """Encode the message. Raises an error if that is not possible."""
        self.message = message
        self.data = _encoded(message)
        self.reply: Reply | None = None
        self.answered: tuple[Any, DataPacket | None] | None = None
        self.answer: Deferred[tuple[Any, DataPacket | None]] = Deferred()


def answer_timeout_s(message: Message[Any]) -> float:
    """Return how many seconds the chip may take to answer this message."""
    match message:
        case Connect():
            return CONNECT_TIMEOUT_S
        case GetHostByName():
            return NAME_TIMEOUT_S
        case Select(timeout_us=int(micros)):
            return ANSWER_TIMEOUT_S + micros / 1e6
        case _:
            return ANSWER_TIMEOUT_S


def _encoded(message: Message[Any]) -> bytes:
    if isinstance(message, Receive | Select):
        return _encoded_again(message)
    return message.packet().encode()


@lru_cache(maxsize=64)  # polling four sockets sends the same few messages all the time
def _encoded_again(message: Receive | Select) -> bytes:
    return message.packet().encode()
