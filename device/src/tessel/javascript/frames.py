"""The frames of the channel between the device and a JavaScript program's Node process. Pure.

    length (4 bytes, of what follows) | kind (1) | object (4) | body

Numbers are unsigned and big-endian. `object` is the number of the socket, server or look-up that
the frame concerns; 0 is the process. The child chooses odd numbers, the device even ones.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

MAX_DATA_BYTES: Final = 64 * 1024
"""Bytes of one DATA frame. A read of a socket fills one frame."""

MAX_JSON_BYTES: Final = 1024 * 1024
"""Bytes of the JSON of one frame. A bundle of all public authorities needs a quarter of it."""

_HEADER: Final = struct.Struct(">IBI")
_NUMBER: Final = struct.Struct(">I")
_OVERHEAD: Final = _HEADER.size - _NUMBER.size  # bytes of kind and object, which the length counts
_MAX_LENGTH: Final = _OVERHEAD + _NUMBER.size + MAX_JSON_BYTES + MAX_DATA_BYTES

Fields: TypeAlias = Mapping[str, object]


class Kind(IntEnum):
    """The kinds of frames."""

    JSON = 1  # a call of the child, or an event of the device
    DATA = 2  # bytes of a socket
    CREDIT = 3  # the number of bytes that may be sent in addition
    MESSAGE = 4  # a call or event with bytes: length of the JSON (4), JSON, bytes


class FrameError(Exception):
    """The bytes on the channel are no frames, or more than the flow control allows."""


@dataclass(frozen=True, slots=True)
class Message:
    """A call of the child or an event of the device, with the bytes that belong to it."""

    object_id: int
    fields: Fields
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a socket."""

    object_id: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Credit:
    """A permission to send so many bytes of a socket in addition."""

    object_id: int
    nbytes: int


Frame: TypeAlias = Message | Data | Credit


def encode_message(object_id: int, fields: Fields, data: bytes = b"") -> bytes:
    """Return a frame with a call or an event, and with bytes if `data` is not empty."""
    text = json.dumps(fields, separators=(",", ":")).encode()
    if not data:
        return _HEADER.pack(_OVERHEAD + len(text), Kind.JSON, object_id) + text
    length = _OVERHEAD + _NUMBER.size + len(text) + len(data)
    head = _HEADER.pack(length, Kind.MESSAGE, object_id)
    return b"".join((head, _NUMBER.pack(len(text)), text, data))


def encode_data(object_id: int, data: bytes) -> Iterator[bytes]:
    """Yield the parts of the DATA frames that carry `data`, in order: headers and pieces."""
    for start in range(0, len(data), MAX_DATA_BYTES):
        piece = data[start : start + MAX_DATA_BYTES]
        yield _HEADER.pack(_OVERHEAD + len(piece), Kind.DATA, object_id)
        yield piece


def encode_credit(object_id: int, nbytes: int) -> bytes:
    """Return a frame that permits the other side to send so many bytes in addition."""
    return _HEADER.pack(_OVERHEAD + _NUMBER.size, Kind.CREDIT, object_id) + _NUMBER.pack(nbytes)


class FrameReader:
    """Takes the frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of a frame that is not complete
        self._waiting = 0  # their bytes
        self._needed = _HEADER.size  # bytes that the next frame has at least

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that `data` completes; keep the rest for the next call.

        All frames must be taken before the next call.

        Raises:
            FrameError: the bytes are no frames. The reader cannot be used any more.

        """
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting < self._needed:
            return
        buffer = data if len(self._parts) == 1 else b"".join(self._parts)
        start = 0
        while (end := self._end_of_frame(buffer, start)) <= len(buffer):
            _, kind, object_id = _HEADER.unpack_from(buffer, start)
            body = buffer[start + _HEADER.size : end]
            start = end
            yield _decoded(kind, object_id, body)
        self._parts = [buffer[start:]]
        self._waiting = len(buffer) - start
        self._needed = end - start

    def _end_of_frame(self, buffer: bytes, start: int) -> int:
        """Return where the frame at `start` ends, as far as the buffer says."""
        if len(buffer) - start < _HEADER.size:
            return start + _HEADER.size
        length: int = _NUMBER.unpack_from(buffer, start)[0]
        _check_length(length)
        return start + _NUMBER.size + length

    @property
    def waiting(self) -> bool:
        """True if the stream would end within a frame."""
        return self._waiting > 0


def _check_length(length: int) -> None:
    if not _OVERHEAD <= length <= _MAX_LENGTH:
        raise FrameError(f"a frame of {length} bytes; allowed: {_OVERHEAD} to {_MAX_LENGTH}")


def _decoded(kind: int, object_id: int, body: bytes) -> Frame:
    match kind:
        case Kind.DATA:
            if len(body) > MAX_DATA_BYTES:
                raise FrameError(f"data of {len(body)} bytes; allowed: up to {MAX_DATA_BYTES}")
            return Data(object_id, body)
        case Kind.CREDIT:
            if len(body) != _NUMBER.size:
                raise FrameError(f"a credit of {len(body)} bytes; allowed: {_NUMBER.size}")
            return Credit(object_id, _NUMBER.unpack(body)[0])
        case Kind.JSON:
            return Message(object_id, _fields(body))
        case Kind.MESSAGE:
            return _message(object_id, body)
    raise FrameError(f"a frame of kind {kind}; allowed: 1 to {len(Kind)}")


def _message(object_id: int, body: bytes) -> Message:
    if len(body) < _NUMBER.size:
        raise FrameError(f"a message of {len(body)} bytes; allowed: at least {_NUMBER.size}")
    end = _NUMBER.size + _NUMBER.unpack_from(body)[0]
    if end > len(body):
        raise FrameError(f"a message whose JSON ends at byte {end} of {len(body)}")
    return Message(object_id, _fields(body[_NUMBER.size : end]), body[end:])


def _fields(text: bytes) -> Fields:
    if len(text) > MAX_JSON_BYTES:
        raise FrameError(f"JSON of {len(text)} bytes; allowed: up to {MAX_JSON_BYTES}")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a text that is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise FrameError(f"JSON of type {type(fields).__name__}; allowed: an object")
    return fields
