"""The start of a client's connection: recognizes the protocol by the first byte."""

from __future__ import annotations

from collections.abc import Sequence

from tessel.gateway.opening import socks4, socks5
from tessel.gateway.opening.credentials import Credentials
from tessel.gateway.opening.dialect import Dialect
from tessel.gateway.opening.events import Event, Refuse
from tessel.gateway.opening.http_proxy import HttpProxy
from tessel.gateway.opening.outcomes import Outcome
from tessel.gateway.opening.socks4 import Socks4
from tessel.gateway.opening.socks5 import Socks5


class Opening:
    """One client's conversation with the gateway, in the protocol of its first byte."""

    def __init__(self, credentials: Credentials | None) -> None:
        """`credentials` None: clients need no password."""
        self._credentials = credentials
        self._dialect: Dialect | None = None

    @property
    def is_transparent(self) -> bool:
        """True if all further bytes of the client belong to the target as they are."""
        return self._dialect is not None and self._dialect.is_transparent

    def receive(self, data: bytes) -> Sequence[Event]:
        """Return what is to be done after bytes of the client."""
        if not data:
            return []
        if self._dialect is None:
            self._dialect = self._recognized(data[0])
        if self._dialect is None:
            detail = f"first byte {data[0]:02x}"
            return [Refuse(b"", Outcome.UNKNOWN_PROTOCOL, detail)]
        return self._dialect.receive(data)

    def answer(self, outcome: Outcome, detail: str = "") -> bytes:
        """Return the bytes that report to the client how its attempt ended, in its own protocol."""
        return b"" if self._dialect is None else self._dialect.answer(outcome, detail)

    def _recognized(self, first: int) -> Dialect | None:
        if first == socks5.VERSION:
            return Socks5(self._credentials)
        if first == socks4.VERSION:
            return Socks4(has_password=self._credentials is not None)
        if chr(first).isascii() and chr(first).isalpha():  # of a method
            return HttpProxy(self._credentials)
        return None
