"""Conversion between frame bodies and messages: layer 2 of the protocol (docs/wire.md).

+-----------------+-------------+------------------------+
| channel: uint16 | type: uint8 | payload                |        big-endian
+-----------------+-------------+------------------------+

type 0x00 data: raw bytes     type 0x01 JSON: one UTF-8 JSON value
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import TypeAlias

from streamplex import jsontext
from streamplex.errors import LocalError, RemoteError, in_bytes
from streamplex.frames import MAX_BODY_BYTES
from streamplex.jsontext import Json

CONTROL_CHANNEL = 0
MAX_CHANNEL = 0xFFFF
CHANNEL_BYTES = 2
HEADER_BYTES = CHANNEL_BYTES + 1
MAX_PAYLOAD_BYTES = MAX_BODY_BYTES - HEADER_BYTES

DATA = 0x00
JSON = 0x01

_HEADER = Struct(">HB")
FRAME_HEADER = Struct(">HHB")
"""The headers of frame and message: length of the body, channel and type. So no body is copied."""

DATA_HEADER_BYTES = FRAME_HEADER.size

BytesLike: TypeAlias = bytes | memoryview
"""A view keeps the whole buffer in memory that it is part of: copy it to keep it for longer."""


@dataclass(frozen=True, slots=True)
class DataMessage:
    """A message that carries bytes of the substream with this channel number."""

    channel: int
    payload: BytesLike


@dataclass(frozen=True, slots=True)
class JsonMessage:
    """A message that carries a JSON value on the channel with this number."""

    channel: int
    value: Json


def decode_message(body: memoryview) -> DataMessage | JsonMessage:
    """Return the message in a frame body. Raises RemoteError if the body is malformed."""
    if len(body) < HEADER_BYTES:
        raise RemoteError(
            f"frame body of {in_bytes(len(body))}; at least {HEADER_BYTES} are needed"
        )
    channel, kind = _HEADER.unpack_from(body)
    payload = body[HEADER_BYTES:]
    if kind == DATA:
        return DataMessage(channel, payload)
    if kind == JSON:
        return JsonMessage(channel, jsontext.loads(bytes(payload)))
    raise RemoteError(f"message type {kind:#04x} on channel {channel}; known: data 0x00, JSON 0x01")


def data_header(channel: int, payload_bytes: int) -> bytes:
    """Return the headers of frame and message that precede `payload_bytes` bytes of data."""
    return FRAME_HEADER.pack(payload_bytes + HEADER_BYTES, channel, DATA)


def encode_json(channel: int, value: Json) -> bytes:
    """Return the whole frame that carries the JSON value. Raises LocalError if it is too large."""
    return encode_text(channel, jsontext.dumps(value))


def encode_text(channel: int, payload: bytes) -> bytes:
    """Return the whole frame that carries a JSON text in UTF-8.

    Raises LocalError if the text is longer than MAX_PAYLOAD_BYTES.
    """
    require_short(payload)
    return FRAME_HEADER.pack(len(payload) + HEADER_BYTES, channel, JSON) + payload


def require_short(payload: bytes) -> bytes:
    """Return a JSON text. Raises LocalError if it is longer than MAX_PAYLOAD_BYTES."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise LocalError(f"JSON of {in_bytes(len(payload))}; allowed: {MAX_PAYLOAD_BYTES}")
    return payload
