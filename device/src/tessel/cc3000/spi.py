"""HCI packets <-> bytes on the bus, as host and as chip.

    host writes    01 LEN(2, big-endian) 00 00 packet pad   chip meanwhile: 02 00 ff 00 00 00 ..
    host reads     03 03 03 03 03 03 03 03 ..               chip: 02 00 00 LEN(2) packet pad 00 ..

LEN counts the packet and its pad, and is always odd so that the whole is even. A pad is any byte.
The first byte from the host decides between the two. The first write after power-up comes in two
transfers with a pause between them, `FIRST_WRITE_CUT` bytes and the rest.
"""

from __future__ import annotations

from enum import Enum, auto

from tessel.cc3000.errors import FrameError

WRITE, READ, ANSWER = 0x01, 0x03, 0x02
HEADER = 5
FIRST_WRITE_CUT = 4
FIRST_WRITE_PAUSE_S = 50e-6  # before it, and between its two parts

LARGEST_WRITE = 0xFFFF  # what LEN can say
LARGEST_READ = 16_383  # what TI's driver has room for; a longer one is noise

# Host.

FIRST_BURST = bytes([READ]) * 10  # the header, and the five bytes that tell the packet's length
_ALL_READ = bytes([READ]) * LARGEST_READ

_EVENT, _DATA = 0x04, 0x02


class ReadStyle(Enum):
    """How a host knows how much to clock."""

    BY_PACKET = auto()  # TI's driver: from the packet's own length
    BY_HEADER = auto()  # Spark's: from the header's LEN


def write_frame(packet: bytes) -> bytes:
    """What a host clocks out to send the packet."""
    padded = packet if len(packet) % 2 else packet + b"\0"
    if len(padded) > LARGEST_WRITE:
        raise ValueError(f"a packet of {len(packet)} bytes; the header can say {LARGEST_WRITE}")
    return bytes((WRITE, len(padded) >> 8, len(padded) & 0xFF, 0, 0)) + padded


def rest_burst(first: bytes, style: ReadStyle) -> bytes:
    """What a host clocks out after the first burst, to have the whole packet."""
    nbytes = _bytes_in_all(first, style)
    if nbytes > LARGEST_READ:
        raise FrameError(f"a packet of {nbytes} bytes; allowed are {LARGEST_READ}")
    return _ALL_READ[: max(0, nbytes - len(FIRST_BURST))]


def packet_read(frame: bytes) -> bytes:
    """The packet in what a host has read, with what follows it."""
    if len(frame) <= HEADER or frame[0] != ANSWER:
        raise FrameError(f"an answer that begins with {frame[:HEADER].hex(' ')}, not with 02")
    return frame[HEADER:]


def _bytes_in_all(first: bytes, style: ReadStyle) -> int:
    kind = packet_read(first)[0]
    if style is ReadStyle.BY_HEADER:
        return HEADER + int.from_bytes(first[3:5], "big")
    if kind == _EVENT:  # kind, opcode (2), length
        nbytes = HEADER + 4 + first[HEADER + 3]
        return nbytes + nbytes % 2
    if kind == _DATA:  # kind, opcode, length of arguments, length (2, little-endian)
        nbytes = HEADER + 5 + int.from_bytes(first[HEADER + 3 : HEADER + 5], "little")
        return nbytes + (nbytes + 1) % 2  # TI's driver clocks one too many here
    raise FrameError(f"a packet of kind {kind:#04x}; a chip sends 0x02 and 0x04")


# Chip.

WRITE_ANSWER = bytes((ANSWER, 0x00, 0xFF))  # then zeros, for as long as the host writes


def packet_written(frame: bytes) -> bytes:
    """The packet in what the host has written, with its pad if it has one."""
    if len(frame) <= HEADER or frame[0] != WRITE:
        raise FrameError(f"a write that begins with {frame[:HEADER].hex(' ')}, not with 01")
    length = int.from_bytes(frame[1:3], "big")
    if len(frame) < HEADER + length:
        raise FrameError(f"{len(frame) - HEADER} bytes of a packet of {length}")
    return frame[HEADER : HEADER + length]


def read_frame(packet: bytes) -> bytes:
    """What a chip clocks out while the host reads this packet; after it come zeros."""
    padded = packet if len(packet) % 2 else packet + b"\0"
    return bytes((ANSWER, 0, 0, len(padded) >> 8, len(padded) & 0xFF)) + padded
