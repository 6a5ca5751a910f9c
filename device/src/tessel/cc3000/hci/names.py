"""Commands that look up or advertise a name. A docstring lists the arguments on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from tessel.cc3000.hci.codes import Opcode
from tessel.cc3000.hci.command import Command
from tessel.cc3000.hci.fields import span, unpacked, words
from tessel.cc3000.hci.replies import Done, HostByName


@dataclass(frozen=True, slots=True)
class GetHostByName(Command[HostByName]):
    """Look up the IPv4 address of a name. The chip does nothing else until it answers.

    8, length, name
    """

    OPCODE = Opcode.GET_HOST_BY_NAME
    REPLY = HostByName
    LONGEST: ClassVar[int] = 230
    name: bytes

    def args(self) -> bytes:
        return words(2).pack(8, len(self.name)) + self.name

    @classmethod
    def parse(cls, args: bytes) -> GetHostByName:
        _, length = unpacked(words(2), args)
        return cls(span(args, 8, length))


@dataclass(frozen=True, slots=True)
class AdvertiseMdns(Command[Done]):
    """Advertise a name by multicast DNS.

    enable, 8, length, name
    """

    OPCODE = Opcode.MDNS_ADVERTISE
    REPLY = Done
    LONGEST: ClassVar[int] = 32
    enable: int
    name: bytes

    def args(self) -> bytes:
        return words(3).pack(self.enable, 8, len(self.name)) + self.name

    @classmethod
    def parse(cls, args: bytes) -> AdvertiseMdns:
        enable, _, length = unpacked(words(3), args)
        return cls(enable, span(args, 12, length))
