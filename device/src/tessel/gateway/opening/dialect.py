"""The interface of the protocols that a client can speak, and what they have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Protocol

from tessel.gateway.opening.events import Event
from tessel.gateway.opening.outcomes import Outcome
from tessel.settings import MAX_PORT

_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:/?#@\s]+))(?::(\d{0,5}))?")


class Dialect(Protocol):
    """One client's conversation with the gateway, in one of the protocols."""

    def receive(self, data: bytes) -> Sequence[Event]:
        """Return what is to be done after bytes of the client. Never raises for what they are."""
        ...

    def answer(self, outcome: Outcome, detail: str) -> bytes:
        """Return the bytes that report to the client how its request, or its lack of one, ended.

        `detail`: the reason in words, for the protocols that have room for it.
        """
        ...

    @property
    def is_transparent(self) -> bool:
        """True if all further bytes of the client belong to the target as they are."""
        ...


def is_host(text: str) -> bool:
    """Return whether a text can be a host: a name or an address, without spaces and controls."""
    return bool(text) and text.isprintable() and not any(c.isspace() for c in text)


def decoded_host(name: bytes) -> str | None:
    """Return a host in UTF-8 as text; None if it is none."""
    try:
        text = name.decode()
    except UnicodeDecodeError:
        return None
    return text if is_host(text) else None


def split_authority(text: str, default_port: int | None) -> tuple[str, int] | None:
    """Return host and port of `host:port` or `[address]:port`; None if the text is neither.

    `default_port`: the port if the text has none; None: the port is required.
    """
    found = _AUTHORITY.fullmatch(text)
    if found is None:
        return None
    port = int(found[3]) if found[3] else default_port
    host = found[1] or found[2]
    if port is None or not 0 < port <= MAX_PORT or not is_host(host):
        return None
    return host, port
