"""From meanings to the frames that carry them: layer 3 of the protocol (docs/wire.md).

The keys are in the order in which the original writes them.
"""

from __future__ import annotations

from functools import lru_cache

from streamplex import jsontext
from streamplex.events import MAX_ERROR_CHARACTERS
from streamplex.jsontext import Json
from streamplex.messages import (
    CONTROL_CHANNEL,
    FRAME_HEADER,
    HEADER_BYTES,
    JSON,
    encode_json,
    encode_text,
    require_short,
)

END_TEXT = jsontext.dumps({"event": "end"})
_CREDIT = jsontext.dumps({"event": "credit", "bytes": 0}).replace(b"0", b"%d")


def stream_opened(channel: int, name: str | None) -> bytes:
    """Return the frame that opens a substream. `name` None: the substream has no name."""
    said = {"type": "stream", "sock": channel}
    return encode_json(CONTROL_CHANNEL, said if name is None else said | {"name": name})


def message(value: Json) -> bytes:
    """Return the frame that carries an application message on the control channel."""
    return encode_json(CONTROL_CHANNEL, {"type": "message", "object": value})


def go_away(after_ms: int) -> bytes:
    """Return the frame that asks the device to open no more substreams.

    The device should connect again after `after_ms` milliseconds.
    """
    return encode_json(CONTROL_CHANNEL, {"type": "goaway", "after_ms": after_ms})


def ping(number: int) -> bytes:
    """Return the frame of a ping, which checks whether the peer is alive. `number` is its id."""
    return encode_json(CONTROL_CHANNEL, {"type": "ping", "id": number})


def pong(ping_id: int | str) -> bytes:
    """Return the frame that answers the ping with the id `ping_id`."""
    return encode_json(CONTROL_CHANNEL, {"type": "pong", "id": ping_id})


def stream_ended(channel: int) -> bytes:
    """Return the frame that reports that this side sends no more data on a substream."""
    return FRAME_HEADER.pack(HEADER_BYTES + len(END_TEXT), channel, JSON) + END_TEXT


def ended_with(channel: int, name: str) -> bytes:
    """Return two frames as one: the end of this side's data, and behind it the event `name`."""
    text = _custom(name)
    event = FRAME_HEADER.pack(HEADER_BYTES + len(text), channel, JSON) + text
    return FRAME_HEADER.pack(HEADER_BYTES + len(END_TEXT), channel, JSON) + END_TEXT + event


def stream_failed(channel: int, text: str) -> bytes:
    """Return the frame that reports that this side of a substream failed.

    `text` is cut to MAX_ERROR_CHARACTERS.
    """
    return encode_json(channel, {"event": "error", "message": text[:MAX_ERROR_CHARACTERS]})


def credit_granted(channel: int, nbytes: int) -> bytes:
    """Return the frame that lets the peer send `nbytes` more bytes on a substream."""
    return encode_text(channel, _CREDIT % nbytes)


def stream_reset(channel: int) -> bytes:
    """Return the frame that asks the peer to send no more data on a substream."""
    return encode_json(channel, {"event": "reset"})


def custom(channel: int, name: str, args: tuple[Json, ...]) -> bytes:
    """Return the frame of an event that the application defines, with its name and arguments."""
    if args:
        return encode_text(channel, _custom_with(name, args))
    text = _custom(name)
    return FRAME_HEADER.pack(HEADER_BYTES + len(text), channel, JSON) + text


@lru_cache(maxsize=64)  # most events are one of a handful that each substream has
def _custom(name: str) -> bytes:
    return require_short(_custom_with(name, ()))


def _custom_with(name: str, args: tuple[Json, ...]) -> bytes:
    return jsontext.dumps({"event": "custom", "emitArgs": [name, *args]})
