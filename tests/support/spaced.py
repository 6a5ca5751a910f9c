"""Data as a read leaves it that keeps room for the headers of frames."""

from streamplex.lane import FRAME_BYTES
from streamplex.messages import DATA_HEADER_BYTES
from streamplex.spaced import SpacedData, spaces


def spaced(data):
    """Return `data` as SpacedData, and its buffer."""
    buffer = memoryview(bytearray(3 * (FRAME_BYTES + DATA_HEADER_BYTES)))
    at = 0
    for space in spaces(buffer):
        part = data[at : at + len(space)]
        space[: len(part)] = part
        at += len(part)
    return SpacedData(buffer, len(data)), buffer
