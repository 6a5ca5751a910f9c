"""The recorded dialogues between the original's server and client, as frames in their order.

Each line is a frame; the lines below it are its bytes:

    +0.046 C>S len=51 chan=0 type=1 JSON {"type":"message","object":{"token":"DEV-CRED"}}
            0000  00 33 00 00 01 7b 22 74 79 70 65 22 3a 22 6d 65  |.3...{"type":"me|
"""

import re
from dataclasses import dataclass
from pathlib import Path

FRAME = re.compile(r"\+[0-9.]+ (C>S|S>C) len=([0-9]+) chan=([0-9]+) type=([01]) ")
DUMP_LINE = re.compile(r" +[0-9a-f]{4}  ((?:[0-9a-f]{2} )+)")
HEADER_BYTES = 5
DATA = 0

# Here the client closed the tunnel: frames after that were never sent.
CLIENT_ENDS = re.compile(r"-- client: socket\.end\(\)")
LETS_GO = re.compile(r"-- client: socket\.end\(\)|-- TLS socket error|-- scenario over")


@dataclass(frozen=True)
class Frame:
    from_client: bool
    channel: int
    is_data: bool
    payload: bytes

    @property
    def wire(self):
        body = len(self.payload) + HEADER_BYTES - 2
        kind = 0 if self.is_data else 1
        head = body.to_bytes(2, "big") + self.channel.to_bytes(2, "big") + bytes([kind])
        return head + self.payload


@dataclass(frozen=True)
class Dialogue:
    name: str
    frames: tuple[Frame, ...]
    client_ends: bool

    @property
    def from_server(self):
        return [frame for frame in self.frames if not frame.from_client]


def parse(path: Path) -> Dialogue:
    """One file of the recording."""
    frames, heading, data = [], None, bytearray()
    lines = path.read_text().splitlines()
    for line in lines:
        if found := DUMP_LINE.match(line):
            data += bytes.fromhex(found[1])
            continue
        if heading:
            frames.append(_frame(heading, bytes(data)))
        heading = FRAME.match(line)
        data = bytearray()
        if LETS_GO.search(line):
            break
    text = "\n".join(lines)
    return Dialogue(path.stem, tuple(frames), CLIENT_ENDS.search(text) is not None)


def _frame(heading, wire):
    direction, length, channel, kind = heading.groups()
    assert len(wire) == int(length) + 2, "the dump is cut"
    return Frame(direction == "C>S", int(channel), int(kind) == DATA, wire[HEADER_BYTES:])


def frames_in(data):
    """Return the complete frames in these bytes, and the number of bytes after them."""
    frames = []
    while len(data) >= HEADER_BYTES:
        length = int.from_bytes(data[:2], "big")
        if len(data) < length + 2:
            break
        channel = int.from_bytes(data[2:4], "big")
        payload = bytes(data[HEADER_BYTES : length + 2])
        frames.append(Frame(False, channel, data[4] == DATA, payload))
        data = data[length + 2 :]
    return frames, len(data)


def by_channel(frames):
    """Return the messages by channel; data is joined, since its division into frames is free."""
    said = {}
    for frame in frames:
        channel = said.setdefault(frame.channel, [])
        if frame.is_data and channel and isinstance(channel[-1], Data):
            channel[-1] = Data(channel[-1].data + frame.payload)
        else:
            channel.append(Data(frame.payload) if frame.is_data else frame.payload)
    return said


@dataclass(frozen=True)
class Data:
    data: bytes
