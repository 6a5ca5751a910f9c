"""Frames on the SPI bus: encodes and decodes packets, for the host and for the chip.

    host writes    01 LEN(2, big-endian) 00 00 packet pad   chip meanwhile: 02 00 ff 00 00 00 ..
    host reads     03 03 03 03 03 03 03 03 ..               chip: 02 00 00 LEN(2) packet pad 00 ..

LEN counts the packet and its pad, and is always odd, so that the frame has an even length. The pad
is one byte of any value. The first byte from the host decides between write and read. The first
write after power-up is made in two transfers, `FIRST_WRITE_CUT` bytes and the rest, with a pause
between them.
"""

from __future__ import annotations

from enum import Enum, auto

from tessel.cc3000.errors import FrameError

WRITE, READ, ANSWER = 0x01, 0x03, 0x02
HEADER = 5
FIRST_WRITE_CUT = 4
FIRST_WRITE_PAUSE_S = 50e-6  # before it, and between its two parts

LARGEST_WRITE = 0xFFFF  # bytes: the largest LEN
LARGEST_READ = 16_383  # bytes: TI's driver has room for no more, so a longer packet is noise

# Host.

FIRST_BURST = bytes([READ]) * 10  # the header, and five bytes that hold the packet's length
_ALL_READ = bytes([READ]) * LARGEST_READ

_EVENT, _DATA = 0x04, 0x02


class ReadStyle(Enum):
    """How a host decides how many bytes to read for a packet."""

    BY_PACKET = auto()  # TI's driver: from the packet's own length
    BY_HEADER = auto()  # Spark's: from the header's LEN


def write_frame(packet: bytes) -> bytes:
    """Return the bytes that a host sends to write `packet` to the chip.

    Raises ValueError if the packet is longer than LARGEST_WRITE bytes.
    """
    padded = packet if len(packet) % 2 else packet + b"\0"
    if len(padded) > LARGEST_WRITE:
        raise ValueError(f"a packet of {len(packet)} bytes; allowed are {LARGEST_WRITE}")
    return bytes((WRITE, len(padded) >> 8, len(padded) & 0xFF, 0, 0)) + padded


def rest_burst(first: bytes, style: ReadStyle) -> bytes:
    """Return the bytes that a host sends after FIRST_BURST, to read the end of a packet.

    `first` are the bytes that the chip returned during FIRST_BURST. Raises FrameError.
    """
    nbytes = _bytes_in_all(first, style)
    if nbytes > LARGEST_READ:
        raise FrameError(f"a packet of {nbytes} bytes; allowed are {LARGEST_READ}")
    return _ALL_READ[: max(0, nbytes - len(FIRST_BURST))]


def packet_read(frame: bytes) -> bytes:
    """Return the packet in a frame that the host has read, with any bytes after it.

    Raises FrameError.
    """
    if len(frame) <= HEADER or frame[0] != ANSWER:
        raise FrameError(f"a read that begins with {frame[:HEADER].hex(' ')}, expected 02")
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
    raise FrameError(f"a packet of kind {kind:#04x}; expected 0x02 or 0x04")


# Chip.

WRITE_ANSWER = bytes((ANSWER, 0x00, 0xFF))  # then zeros, for as long as the host writes


def packet_written(frame: bytes) -> bytes:
    """Return the packet in a frame that the host has written, with its pad if it has one.

    Raises FrameError.
    """
    if len(frame) <= HEADER or frame[0] != WRITE:
        raise FrameError(f"a write that begins with {frame[:HEADER].hex(' ')}, expected 01")
    length = int.from_bytes(frame[1:3], "big")
    if len(frame) < HEADER + length:
        raise FrameError(f"{len(frame) - HEADER} bytes of a packet of {length}")
    return frame[HEADER : HEADER + length]


def read_frame(packet: bytes) -> bytes:
    """Return the bytes that a chip sends while the host reads `packet`.

    The chip sends zeros after them.
    """
    padded = packet if len(packet) % 2 else packet + b"\0"
    return bytes((ANSWER, 0, 0, len(padded) >> 8, len(padded) & 0xFF)) + padded
