"""From frame bodies to the meanings of messages: layer 3 of the protocol (docs/wire.md).

Three texts make up nearly all JSON: `end`, the opening of a substream, and short events such as
`connect`. They are recognized by their bytes, without a JSON parser.
"""

from __future__ import annotations

import re
from functools import lru_cache
from sys import intern

from streamplex import features, jsontext
from streamplex.credit import MAX_CREDIT_BYTES
from streamplex.encoding import END_TEXT
from streamplex.errors import RemoteError
from streamplex.events import (
    MAX_AFTER_MS,
    MAX_ERROR_CHARACTERS,
    CreditGranted,
    CustomReceived,
    DataReceived,
    GoAway,
    Ignored,
    Meaning,
    MessageReceived,
    Ping,
    Pong,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    StreamReset,
)
from streamplex.jsontext import Json
from streamplex.messages import (
    CONTROL_CHANNEL,
    HEADER_BYTES,
    JSON,
    DataMessage,
    JsonMessage,
    decode_message,
)

MAX_PING_CHARACTERS = 64
"""Characters of a ping's id that is text. The answer repeats it, so it has to be short."""

MAX_PING_NUMBER = 2**53 - 1
"""The largest id of a ping that is an integer: JSON of every language keeps it exact."""

SHORT_TEXT_BYTES = 128
"""Events up to this length are remembered when they were read: most devices connect to a handful of
targets. The remembered texts take at most 128 times this, in the whole process."""

_SHOWN_CHARACTERS = 60
_NO_FEATURES: frozenset[str] = frozenset()
_CUSTOM_BEGINS = b'{"event":"custom",'
_OPENING = re.compile(rb'\{"type":"stream","sock":([1-9][0-9]{0,4})(?:,"name":"([a-z0-9.-]*)")?\}')


def decode_body(body: memoryview, known: frozenset[str] = _NO_FEATURES) -> Meaning:
    """Return the meaning of a frame body; see `decode`. Raises RemoteError if it is malformed."""
    if len(body) <= HEADER_BYTES or body[2] != JSON:
        return decode(decode_message(body), known)
    channel = body[0] << 8 | body[1]
    text = bytes(body[HEADER_BYTES:])
    if channel == CONTROL_CHANNEL:
        if opening := _OPENING.fullmatch(text):
            sock, name = opening.groups()
            return StreamOpened(int(sock), None if name is None else intern(name.decode()))
    elif text == END_TEXT:
        return StreamEnded(channel)
    elif len(text) <= SHORT_TEXT_BYTES and text.startswith(_CUSTOM_BEGINS):
        said = _short_custom(text)
        if said is not None:
            return CustomReceived(channel, said[0], said[1])
    return _decode_json(channel, jsontext.loads(text), known)


@lru_cache(maxsize=128)
def _short_custom(text: bytes) -> tuple[str, tuple[Json, ...]] | None:
    """Return the name and arguments of a custom event.

    None: the text has to be decoded each time, because it is malformed, means something else, or
    has an argument that the receiver may change.
    """
    try:
        meaning = _decode_json(1, jsontext.loads(text), _NO_FEATURES)
    except RemoteError:
        return None
    if isinstance(meaning, CustomReceived):
        name, args = meaning.name, meaning.args
        if not any(isinstance(arg, list | dict) for arg in args):
            return name, args
    return None


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
