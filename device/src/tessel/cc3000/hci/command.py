"""The base classes of commands: how they are encoded, and how their answers are decoded."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci.fields import Fields
from tessel.cc3000.hci.packets import CommandPacket, DataPacket, EventPacket
from tessel.cc3000.hci.replies import Reply

R = TypeVar("R", bound=Reply)


class Message(Fields, Generic[R]):
    """A message from the host that the chip answers with an event: a `Reply` of type R."""

    __slots__ = ()
    OPCODE: ClassVar[int]
    ANSWER: ClassVar[int]  # the opcode of the event
    REPLY: type[R]

    def packet(self) -> CommandPacket | DataPacket:
        """Return the message as a packet, ready to be encoded."""
        raise NotImplementedError

    @classmethod
    def read_reply(cls, event: EventPacket) -> R:
        """Decode the event that answers this message.

        Raises FrameError if it is another event or too short.
        """
        if event.opcode != cls.ANSWER:
            raise FrameError(f"event {event.opcode:#06x} as an answer; expected {cls.ANSWER:#06x}")
        return cls.REPLY.parse(event.args)

    @classmethod
    def follows(cls, reply: R) -> int | None:
        """Return the opcode of the data packet that the chip sends after `reply`, or None."""
        del reply
        return None

    @classmethod
    def reply_packet(cls, reply: R, status: int = 0) -> EventPacket:
        """Return the event with which the chip answers: `reply` and a status byte."""
        return EventPacket(cls.ANSWER, status, reply.args())


class Command(Message[R]):
    """A message without a payload. The event that answers it has the same opcode."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "OPCODE" in cls.__dict__:
            cls.ANSWER = cls.OPCODE

    def packet(self) -> CommandPacket:
        return CommandPacket(self.OPCODE, self.args())


class DataMessage(Message[R]):
    """A message with a payload, sent as a data packet."""

    __slots__ = ()

    def payload(self) -> bytes:
        """Return the bytes that follow the arguments in the packet."""
        raise NotImplementedError

    def packet(self) -> DataPacket:
        return DataPacket(self.OPCODE, self.args(), self.payload())

    @classmethod
    def read(cls, packet: DataPacket) -> DataMessage[R]:
        """Decode a data packet from the host. Raises FrameError."""
        raise NotImplementedError
