"""SOCKS4 and SOCKS4a, as the documents of OpenSSH's and curl's authors describe them.

SOCKS4a: the address 0.0.0.x, with x other than 0, says that a name follows the user.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from tessel.gateway.opening.dialect import decoded_host
from tessel.gateway.opening.events import Connect, Event, Refuse, ToTarget
from tessel.gateway.opening.outcomes import CODES, Outcome

VERSION: Final = 4
COMMAND_CONNECT: Final = 1
HEAD_BYTES: Final = 8
MAX_TEXT_BYTES: Final = 255  # of the user, and of the name, as SOCKS5 allows


class State(Enum):
    """The state of a conversation."""

    REQUEST = auto()
    REQUESTED = auto()  # all further bytes belong to the target
    REFUSED = auto()


class Step(Enum):
    """The steps of a SOCKS4 client's conversation."""

    REQUEST = auto()
    REFUSED = auto()


NEXT: Final[Mapping[State, Mapping[Step, State]]] = MappingProxyType(
    {
        State.REQUEST: {Step.REQUEST: State.REQUESTED, Step.REFUSED: State.REFUSED},
        State.REQUESTED: {},
        State.REFUSED: {},
    }
)
"""The states of a conversation. A step that a state does not have cannot happen."""


class Socks4:
    """The conversation with a client that speaks SOCKS4 or SOCKS4a."""

    def __init__(self, *, has_password: bool) -> None:
        """`has_password`: clients need a password. SOCKS4 has none, so all are refused."""
        self._has_password = has_password
        self._state = State.REQUEST
        self._rest = b""  # an incomplete request: at most HEAD_BYTES and two texts

    @property
    def is_transparent(self) -> bool:
        """True if the request is complete."""
        return self._state is State.REQUESTED

    def receive(self, data: bytes) -> Sequence[Event]:
        """Return what is to be done after bytes of the client; see Dialect."""
        if self._state is State.REQUEST:
            self._rest += data
            return self._request()
        return [ToTarget(data)] if self.is_transparent else []

    def answer(self, outcome: Outcome, detail: str) -> bytes:
        """Return the answer to the request; nothing if there was none. See Dialect."""
        del detail
        return b"" if self._state is State.REQUEST else _reply(outcome)

    def _request(self) -> Sequence[Event]:
        if len(self._rest) < HEAD_BYTES:
            return []
        command, address = self._rest[1], self._rest[4:HEAD_BYTES]
        port = int.from_bytes(self._rest[2:4], "big")
        names = address[:3] == bytes(3) and address[3] != 0
        texts = self._rest[HEAD_BYTES:].split(b"\0", 2 if names else 1)
        if any(len(text) > MAX_TEXT_BYTES for text in texts[: 2 if names else 1]):
            return self._refused(Outcome.MALFORMED, "the user or the name is too long")
        if len(texts) < (3 if names else 2):
            return []
        if command != COMMAND_CONNECT:
            return self._refused(Outcome.UNSUPPORTED_COMMAND, f"command {command}")
        if self._has_password:
            return self._refused(Outcome.WRONG_PASSWORD, "SOCKS4 has no passwords")
        host = decoded_host(texts[1]) if names else str(ipaddress.IPv4Address(address))
        if not host or not port:
            return self._refused(Outcome.MALFORMED, f"host or port {port} is not allowed")
        self._state = NEXT[self._state][Step.REQUEST]
        self._rest = b""
        early = texts[-1]
        return [Connect(host, port), ToTarget(early)] if early else [Connect(host, port)]

    def _refused(self, outcome: Outcome, detail: str) -> Sequence[Event]:
        self._state = NEXT[self._state][Step.REFUSED]
        self._rest = b""
        return [Refuse(_reply(outcome), outcome, detail)]


def _reply(outcome: Outcome) -> bytes:
    return bytes((0, CODES[outcome].socks4)) + bytes(6)
