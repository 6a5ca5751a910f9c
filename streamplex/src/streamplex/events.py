"""The meaning of messages on all channels: layer 3 of the protocol (docs/wire.md).

`decode` returns the typed meaning of a message. The functions below it return the frames that carry
the same meaning to a peer, with their keys in the order in which the original writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from streamplex import features, jsontext
from streamplex.credit import MAX_CREDIT_BYTES
from streamplex.errors import RemoteError
from streamplex.jsontext import Json
from streamplex.messages import (
    CONTROL_CHANNEL,
    HEADER_BYTES,
    JSON,
    BytesLike,
    DataMessage,
    FixedText,
    JsonMessage,
    decode_message,
    encode_json,
    encode_text,
)

MAX_ERROR_CHARACTERS = 1024
"""Characters of a substream's error text. Longer texts are cut: it is one line for a person."""

MAX_AFTER_MS = 2**31 - 1
"""The longest delay that the timers of every language can count."""

MAX_PING_CHARACTERS = 64
"""Characters of a ping's id that is text. The answer repeats it, so it has to be short."""

MAX_PING_NUMBER = 2**53 - 1
"""The largest id of a ping that is an integer: JSON of every language keeps it exact."""

_SHOWN_CHARACTERS = 60
_NO_FEATURES: frozenset[str] = frozenset()
_END = jsontext.dumps({"event": "end"})
_END_BODY_BYTES = HEADER_BYTES + len(_END)
_END_FRAME = FixedText(_END)
_CREDIT = jsontext.dumps({"event": "credit", "bytes": 0}).replace(b"0", b"%d")


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The peer opened a substream. `name` is None if the peer gave it no name."""

    channel: int
    name: str | None


@dataclass(frozen=True, slots=True)
class DataReceived:
    """The peer sent bytes on a substream. Events of `TunnelCore` never have empty data."""

    channel: int
    data: BytesLike


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The peer will send no more data on this substream."""

    channel: int


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """The peer reported that its side of this substream failed. `message` is the peer's text."""

    channel: int
    message: str


@dataclass(frozen=True, slots=True)
class CustomReceived:
    """The peer sent an event that the application defines, on a substream."""

    channel: int
    name: str
    args: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class CreditGranted:
    """The peer accepts `nbytes` more bytes on a substream."""

    channel: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class StreamReset:
    """The peer discards all further data on this substream. This side must stop sending."""

    channel: int


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """The peer sent an application message on the control channel."""

    value: Json


@dataclass(frozen=True, slots=True)
class GoAway:
    """The server asks the device to open no more substreams on this tunnel.

    The device should connect again after `after_ms` milliseconds.
    """

    after_ms: int


@dataclass(frozen=True, slots=True)
class Ping:
    """The peer checks whether this side is alive. This side must send a pong with the same `id`."""

    id: int | str


@dataclass(frozen=True, slots=True)
class Pong:
    """The peer answered a ping."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """The peer sent a message that this side does not know. The protocol requires to ignore it.

    `what` describes the message for a log line.
    """

    channel: int
    what: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The peer broke the protocol as `error` describes. No event follows: the tunnel is over."""

    error: RemoteError


OfSubstream: TypeAlias = (
    DataReceived
    | StreamEnded
    | StreamFailed
    | CustomReceived
    | StreamReset
    | CreditGranted
    | Ignored
)
OfControl: TypeAlias = StreamOpened | MessageReceived | GoAway | Ping | Pong | Ignored
Meaning: TypeAlias = OfControl | OfSubstream
Notice: TypeAlias = (
    StreamOpened
    | StreamEnded
    | StreamFailed
    | CustomReceived
    | StreamReset
    | MessageReceived
    | GoAway
    | Ignored
)
Reported: TypeAlias = DataReceived | Notice
Event: TypeAlias = Reported | Fault


def decode_body(body: memoryview, known: frozenset[str] = _NO_FEATURES) -> Meaning:
    """Return the meaning of a frame body; see `decode`. Raises RemoteError if it is malformed."""
    # Each substream has an `end`, nearly always with this text: no JSON for it.
    if len(body) == _END_BODY_BYTES and body[2] == JSON and body[HEADER_BYTES:] == _END:
        channel = body[0] << 8 | body[1]
        if channel != CONTROL_CHANNEL:
            return StreamEnded(channel)
    if len(body) > HEADER_BYTES and body[2] == JSON:  # without an object for the message itself
        value = jsontext.loads(bytes(body[HEADER_BYTES:]))
        return _decode_json(body[0] << 8 | body[1], value, known)
    return decode(decode_message(body), known)


def decode(message: DataMessage | JsonMessage, known: frozenset[str] = _NO_FEATURES) -> Meaning:
    """Return the meaning of one message.

    `known` are the features whose messages are understood in addition to the original protocol;
    messages of other features are returned as Ignored. Raises RemoteError if the message breaks the
    protocol.
    """
    if isinstance(message, DataMessage):
        if message.channel == CONTROL_CHANNEL:
            raise RemoteError("data on the control channel; allowed there: JSON")
        return DataReceived(message.channel, message.payload)
    return _decode_json(message.channel, message.value, known)


def _decode_json(channel: int, value: Json, known: frozenset[str]) -> Meaning:
    if not isinstance(value, dict):
        raise RemoteError(
            f"JSON of type {type(value).__name__} on channel {channel}; an object is expected"
        )
    if channel == CONTROL_CHANNEL:
        return _decode_control(value, known)
    return _decode_substream(channel, value, known)


def _decode_control(said: dict[str, Json], known: frozenset[str]) -> Meaning:
    match said.get("type"):
        case "stream":
            name = said.get("name")
            return StreamOpened(
                _channel_number(said.get("sock")), name if isinstance(name, str) else None
            )
        case "message":
            return MessageReceived(said.get("object"))
        case "goaway" if features.GOAWAY in known:
            return GoAway(_delay_ms(said.get("after_ms")))
        case "ping" if features.PING in known:
            return Ping(_ping_id(said.get("id")))
        case "pong" if features.PING in known:
            return Pong()
        case other:
            return Ignored(CONTROL_CHANNEL, f"control message of type {_shown(other)}")


def _channel_number(sock: Json) -> int:
    if type(sock) is not int:  # a boolean is an int to isinstance
        raise RemoteError(f"substream number of type {type(sock).__name__}; an integer is expected")
    return sock


def _delay_ms(after_ms: Json) -> int:
    if type(after_ms) is not int or not 0 <= after_ms <= MAX_AFTER_MS:
        raise RemoteError(
            f"goaway after {_shown(after_ms)} ms; an integer from 0 to {MAX_AFTER_MS} is expected"
        )
    return after_ms


def _ping_id(found: Json) -> int | str:
    if isinstance(found, str) and len(found) <= MAX_PING_CHARACTERS:
        return found
    if type(found) is int and abs(found) <= MAX_PING_NUMBER:
        return found
    raise RemoteError(
        f"ping with the id {_shown(found)}; an integer of at most {MAX_PING_NUMBER} either way, "
        f"or text of at most {MAX_PING_CHARACTERS} characters, is expected"
    )


def _decode_substream(channel: int, said: dict[str, Json], known: frozenset[str]) -> Meaning:
    match said.get("event"):
        case "end":
            return StreamEnded(channel)
        case "error":
            return StreamFailed(channel, _error_text(channel, said.get("message", "")))
        case "custom":
            return _decode_custom(channel, said.get("emitArgs"))
        case "credit" if features.CREDIT in known:
            return CreditGranted(channel, _credit(channel, said.get("bytes")))
        case "reset" if features.CREDIT in known:
            return StreamReset(channel)
        case other:
            return Ignored(channel, f"event {_shown(other)}")


def _error_text(channel: int, text: Json) -> str:
    if not isinstance(text, str):
        raise RemoteError(f"error message {_shown(text)} on channel {channel}; text is expected")
    return text[:MAX_ERROR_CHARACTERS]


def _credit(channel: int, nbytes: Json) -> int:
    if type(nbytes) is not int or not 1 <= nbytes <= MAX_CREDIT_BYTES:
        raise RemoteError(
            f"credit of {_shown(nbytes)} bytes on channel {channel}; "
            f"an integer from 1 to {MAX_CREDIT_BYTES} is expected"
        )
    return nbytes


def _decode_custom(channel: int, args: Json) -> CustomReceived:
    match args:
        case [str(name), *rest]:
            return CustomReceived(channel, name, tuple(rest))
        case _:
            raise RemoteError(
                f"emitArgs {_shown(args)} on channel {channel}; a list that begins with "
                "the event's name is expected"
            )


def _shown(value: Json) -> str:
    return ascii(value)[:_SHOWN_CHARACTERS]


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
    return _END_FRAME.on(channel)


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
    return encode_text(channel, _custom_with(name, args)) if args else _custom(name).on(channel)


@lru_cache(maxsize=64)  # most events are one of a handful that each substream has
def _custom(name: str) -> FixedText:
    return FixedText(_custom_with(name, ()))


def _custom_with(name: str, args: tuple[Json, ...]) -> bytes:
    return jsontext.dumps({"event": "custom", "emitArgs": [name, *args]})
