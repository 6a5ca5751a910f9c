"""Explains a trace of the bus: adds a line with the meaning after each line with bytes.

It reads traces of `tessel.cc3000.trace`, and captures that have both sides of each operation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from itertools import chain, islice
from typing import TextIO

from tessel.cc3000.errors import FrameError
from tessel.cc3000.hci.codes import Code, DataOpcode
from tessel.cc3000.hci.commands import answered_by, message
from tessel.cc3000.hci.events import Unknown, unsolicited
from tessel.cc3000.hci.netapp import NvmemBytes
from tessel.cc3000.hci.packets import (
    CommandPacket,
    DataPacket,
    EventPacket,
    PatchPacket,
    decode,
)
from tessel.cc3000.hci.sockets import Arrived
from tessel.cc3000.spi import HEADER, READ, WRITE_ANSWER, packet_read, packet_written
from tessel.cc3000.trace import EDGES, MISO, MOSI
from tessel_service_kit.texts import counted

SHOWN = 32  # bytes of a payload

MAX_LINE_CHARS = 64 * 1024
"""Characters of a line. The longest operation takes 5 KB; other files may have no line ends."""

MAX_HEAD_LINES = 1000
"""Lines before the first operation, which a logic analyser may write."""

_BITS = ("mask", "readable", "writable", "exceptional")
_RESULTS = ("value", "count", "status", "result", "new_sd")  # negative ones are codes


class NotATraceError(Exception):
    """Raised when a text is not a trace of a bus."""


def read_trace(file: TextIO) -> Iterator[str]:
    """Yield the lines of a trace as they come.

    Raises:
        NotATraceError: none of the first MAX_HEAD_LINES lines is an operation or an edge.

    """
    lines = iter(lambda: file.readline(MAX_LINE_CHARS), "")
    head = []
    for line in islice(lines, MAX_HEAD_LINES):
        head.append(line)
        if _is_of_a_bus(line):
            return chain(head, lines)
    raise NotATraceError


def _is_of_a_bus(line: str) -> bool:
    if line.startswith(EDGES):
        return True
    side, *digits = line.split() or [""]
    return side in (MOSI, MISO) and _bytes_in(digits) is not None


def explained(lines: Iterable[str]) -> Iterator[str]:
    """Yield each line of a trace, and after it a line with its meaning if it has bytes.

    Lines of the trace are unchanged except for the removed line end.
    """
    for line in lines:
        yield line.rstrip("\n")
        meaning = _meaning(line.split())
        if meaning is not None:
            yield f"    {meaning}"


def _meaning(words: list[str]) -> str | None:
    if not words or words[0] not in (MOSI, MISO):
        return None
    data = _bytes_in(words[1:])
    if data is None:
        return "not bytes in hexadecimal"
    try:
        return _host(data) if words[0] == MOSI else _chip(data)
    except FrameError as fault:
        return f"unreadable: {fault}"


def _bytes_in(words: list[str]) -> bytes | None:
    try:
        return bytes.fromhex("".join(words))
    except ValueError:
        return None


def _host(data: bytes) -> str | None:
    if data[:1] == bytes((READ,)):
        return None  # the host only clocks; the chip sends
    packet = decode(packet_written(data))
    match packet:
        case CommandPacket() | DataPacket():
            return f"host: {_shown(message(packet))}"
        case PatchPacket(_, b""):
            return f"host: no patch of kind {packet.kind}"
        case PatchPacket():
            return f"host: {counted(len(packet.data), 'byte')} of patch {packet.kind}"
        case EventPacket():
            raise FrameError("a host does not send events")


def _chip(data: bytes) -> str | None:
    if data[2 : len(WRITE_ANSWER)] == WRITE_ANSWER[2:]:
        return None  # the host writes
    if not any(data[3:HEADER]):
        return "chip: nothing to read"
    packet = decode(packet_read(data))
    match packet:
        case EventPacket():
            return f"chip: {_event(packet)}"
        case DataPacket(DataOpcode.RECEIVED | DataOpcode.RECEIVED_FROM):
            return f"chip: {_shown(Arrived.read(packet))}"
        case DataPacket(DataOpcode.NVMEM):
            return f"chip: {_shown(NvmemBytes.read(packet))}"
        case DataPacket() | CommandPacket() | PatchPacket():
            raise FrameError(f"a chip does not send a {type(packet).__name__}")


def _event(event: EventPacket) -> str:
    reported = unsolicited(event)
    if isinstance(reported, Unknown):
        return f"event {event.opcode:#06x}, {counted(len(event.args), 'byte')}"
    if reported is not None:
        return _shown(reported)
    kind = answered_by(event.opcode)
    if kind is None:
        return f"event {event.opcode:#06x}, {counted(len(event.args), 'byte')}"
    failed = f", status {event.status:#04x}" if event.status else ""
    return f"answer to {kind.__name__}: {_shown(kind.read_reply(event))}{failed}"


def _shown(value: object) -> str:
    if not is_dataclass(value):
        return repr(value)
    parts = [
        f"{field.name}={_field(field.name, getattr(value, field.name))}"
        for field in fields(value)
        if field.repr
    ]
    return f"{type(value).__name__}({', '.join(parts)})"


def _field(name: str, value: object) -> str:
    if isinstance(value, bytes):
        return _shortened(value)
    if isinstance(value, int) and value < 0 and name in _RESULTS and value in _CODES:
        return f"{value} {Code(value).name}"
    return hex(value) if isinstance(value, int) and name in _BITS else _shown(value)


def _shortened(value: bytes) -> str:
    rest = f"... {len(value)} bytes" if len(value) > SHOWN else ""
    return f"{value[:SHOWN]!r}{rest}"


_CODES = frozenset(Code)
