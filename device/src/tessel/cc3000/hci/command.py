"""What every command has: its packet, and how its answer is read."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci.fields import Fields
from tessel.cc3000.hci.packets import CommandPacket, DataPacket, EventPacket
from tessel.cc3000.hci.replies import Reply

R = TypeVar("R", bound=Reply)


class Message(Fields, Generic[R]):
    """What a host says to the chip, ended by the chip with an event."""

    __slots__ = ()
    OPCODE: ClassVar[int]
    ANSWER: ClassVar[int]  # the opcode of the event
    REPLY: type[R]

    def packet(self) -> CommandPacket | DataPacket:
        raise NotImplementedError

    @classmethod
    def read_reply(cls, event: EventPacket) -> R:
        """Raises FrameError."""
        if event.opcode != cls.ANSWER:
            raise FrameError(f"event {event.opcode:#06x} to a command that {cls.ANSWER:#06x} ends")
        return cls.REPLY.parse(event.args)

    @classmethod
    def follows(cls, reply: R) -> int | None:
        """The opcode of the data packet that comes after this reply, if one does."""
        del reply
        return None

    @classmethod
    def reply_packet(cls, reply: R, status: int = 0) -> EventPacket:
        """The event with which a chip ends this."""
        return EventPacket(cls.ANSWER, status, reply.args())


class Command(Message[R]):
    __slots__ = ()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "OPCODE" in cls.__dict__:
            cls.ANSWER = cls.OPCODE

    def packet(self) -> CommandPacket:
        return CommandPacket(self.OPCODE, self.args())


class DataMessage(Message[R]):
    """A command that brings a payload."""

    __slots__ = ()

    def payload(self) -> bytes:
        raise NotImplementedError

    def packet(self) -> DataPacket:
        return DataPacket(self.OPCODE, self.args(), self.payload())

    @classmethod
    def read(cls, packet: DataPacket) -> DataMessage[R]:
        raise NotImplementedError
