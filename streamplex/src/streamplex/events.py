"""The meanings of messages: what `TunnelCore.receive` returns (docs/wire.md, layer 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from streamplex.errors import RemoteError
from streamplex.jsontext import Json
from streamplex.messages import BytesLike

MAX_ERROR_CHARACTERS = 1024
"""Characters of a substream's error text. Longer texts are cut: it is one line for a person."""

MAX_AFTER_MS = 2**31 - 1
"""The longest delay that the timers of every language can count."""


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
