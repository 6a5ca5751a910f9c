"""SOCKS5: RFC 1928, with user and password by RFC 1929."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, IntEnum, auto
from types import MappingProxyType
from typing import Final

from tessel.gateway.opening.credentials import Credentials
from tessel.gateway.opening.dialect import decoded_host
from tessel.gateway.opening.events import Connect, Event, Refuse, Send, ToTarget
from tessel.gateway.opening.outcomes import CODES, Outcome

VERSION: Final = 5
PASSWORD_VERSION: Final = 1  # of the negotiation in RFC 1929
NO_METHOD: Final = 0xFF
COMMAND_CONNECT: Final = 1
IPV4_BYTES: Final = 4
IPV6_BYTES: Final = 16

_PASSWORD_RIGHT: Final = bytes((PASSWORD_VERSION, 0))
_PASSWORD_WRONG: Final = bytes((PASSWORD_VERSION, 1))
_UNKNOWN_ADDRESS: Final = bytes(6)  # of an answer: 0.0.0.0, port 0


class Method(IntEnum):
    """The methods of authentication that the gateway knows."""

    NONE = 0
    PASSWORD = 2


class AddressType(IntEnum):
    """The types of address in a request."""

    IPV4 = 1
    NAME = 3
    IPV6 = 4


class State(Enum):
    """The state of a conversation."""

    GREETING = auto()  # the client offers methods
    PASSWORD = auto()
    REQUEST = auto()
    REQUESTED = auto()  # all further bytes belong to the target
    REFUSED = auto()


class Step(Enum):
    """A complete message of the client, by what follows from it."""

    NEEDS_NO_PASSWORD = auto()
    NEEDS_PASSWORD = auto()
    PASSWORD_RIGHT = auto()
    REQUEST = auto()
    REFUSED = auto()


NEXT: Final[Mapping[State, Mapping[Step, State]]] = MappingProxyType(
    {
        State.GREETING: {
            Step.NEEDS_NO_PASSWORD: State.REQUEST,
            Step.NEEDS_PASSWORD: State.PASSWORD,
            Step.REFUSED: State.REFUSED,
        },
        State.PASSWORD: {
            Step.PASSWORD_RIGHT: State.REQUEST,
            Step.REFUSED: State.REFUSED,
        },
        State.REQUEST: {
            Step.REQUEST: State.REQUESTED,
            Step.REFUSED: State.REFUSED,
        },
        State.REQUESTED: {},
        State.REFUSED: {},
    }
)
"""The states of a conversation. A step that a state does not have cannot happen."""


class _Incomplete(Exception):  # noqa: N818 - not an error: more bytes have to come
    """A message is not complete."""


class _Reader:
    """Takes the fields of a message from bytes; raises _Incomplete if there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def take(self, nbytes: int) -> bytes:
        """Return the next bytes."""
        end = self.at + nbytes
        if end > len(self._data):
            raise _Incomplete
        taken, self.at = self._data[self.at : end], end
        return taken

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def counted(self) -> bytes:
        """Return a field that begins with its length."""
        return self.take(self.byte())


class Socks5:
    """The conversation with a client that speaks SOCKS5."""

    def __init__(self, credentials: Credentials | None) -> None:
        """`credentials` None: clients need no password."""
        self._credentials = credentials
        self._state = State.GREETING
        # Bytes of an incomplete message: a message has at most 513 bytes.
        self._rest = b""
        self._parsers: Mapping[State, Callable[[_Reader], tuple[Step, list[Event]]]] = {
            State.GREETING: self._greeting,
            State.PASSWORD: self._password,
            State.REQUEST: self._request,
        }

    @property
    def is_transparent(self) -> bool:
        """True if the request is complete."""
        return self._state is State.REQUESTED

    def receive(self, data: bytes) -> Sequence[Event]:
        """Return what is to be done after bytes of the client; see Dialect."""
        self._rest += data
        events: list[Event] = []
        while parse := self._parsers.get(self._state):
            reader = _Reader(self._rest)
            try:
                step, found = parse(reader)
            except _Incomplete:
                return events
            self._rest = self._rest[reader.at :]
            self._state = NEXT[self._state][step]
            events += found
        rest, self._rest = self._rest, b""
        return [*events, ToTarget(rest)] if rest and self.is_transparent else events

    def answer(self, outcome: Outcome, detail: str) -> bytes:
        """Return the answer to the request; nothing if there was none. See Dialect."""
        del detail
        if self._state is not State.REQUESTED:
            return b""
        return _reply(outcome)

    # The messages.

    def _greeting(self, reader: _Reader) -> tuple[Step, list[Event]]:
        reader.byte()  # the version, by which the protocol was recognized
        offered = reader.counted()
        wanted = Method.NONE if self._credentials is None else Method.PASSWORD
        if wanted not in offered:
            detail = f"methods offered: {offered.hex(' ') or 'none'}; needed: {wanted:02x}"
            refusal = Refuse(bytes((VERSION, NO_METHOD)), Outcome.WRONG_PASSWORD, detail)
            return Step.REFUSED, [refusal]
        step = Step.NEEDS_NO_PASSWORD if wanted is Method.NONE else Step.NEEDS_PASSWORD
        return step, [Send(bytes((VERSION, wanted)))]

    def _password(self, reader: _Reader) -> tuple[Step, list[Event]]:
        version = reader.byte()
        if version != PASSWORD_VERSION:
            detail = f"version {version} of the password's message; allowed: {PASSWORD_VERSION}"
            return Step.REFUSED, [Refuse(_PASSWORD_WRONG, Outcome.MALFORMED, detail)]
        user, password = reader.counted(), reader.counted()
        if self._credentials is None or not self._credentials.match(user, password):
            return Step.REFUSED, [Refuse(_PASSWORD_WRONG, Outcome.WRONG_PASSWORD, "")]
        return Step.PASSWORD_RIGHT, [Send(_PASSWORD_RIGHT)]

    def _request(self, reader: _Reader) -> tuple[Step, list[Event]]:
        version, command, _reserved, kind = reader.take(4)
        if version != VERSION:
            return _refused(Outcome.MALFORMED, f"version {version} of a request")
        if kind not in tuple(AddressType):
            return _refused(Outcome.UNSUPPORTED_ADDRESS, f"address type {kind}")
        host = _host(AddressType(kind), reader)
        port = int.from_bytes(reader.take(2), "big")
        if command != COMMAND_CONNECT:
            return _refused(Outcome.UNSUPPORTED_COMMAND, f"command {command}")
        if not host or not port:
            return _refused(Outcome.MALFORMED, f"host or port {port} is not allowed")
        return Step.REQUEST, [Connect(host, port)]


def _host(kind: AddressType, reader: _Reader) -> str | None:
    """Return the host of a request; None for a name that is none."""
    match kind:
        case AddressType.IPV4:
            return str(ipaddress.IPv4Address(reader.take(IPV4_BYTES)))
        case AddressType.IPV6:
            return str(ipaddress.IPv6Address(reader.take(IPV6_BYTES)))
        case AddressType.NAME:
            return decoded_host(reader.counted())


def _refused(outcome: Outcome, detail: str) -> tuple[Step, list[Event]]:
    return Step.REFUSED, [Refuse(_reply(outcome), outcome, detail)]


def _reply(outcome: Outcome) -> bytes:
    """Return an answer. Its address is unknown: the proxy's socket has it."""
    return bytes((VERSION, CODES[outcome].socks5, 0, AddressType.IPV4)) + _UNKNOWN_ADDRESS
