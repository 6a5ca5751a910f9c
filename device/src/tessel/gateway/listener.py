"""The port of the gateway: accepts clients up to a limit."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from tessel.gateway.client import Client, Means
from tessel.gateway.opening import Credentials, Opening

_log = Logger(namespace="tessel")

BACKLOG: Final = 511
"""Clients that may wait to be accepted, as in Node; a browser opens some hundred at once."""


class Listener(ServerFactory):
    """Makes a `Client` for each accepted connection."""

    noisy = False

    def __init__(self, means: Means, credentials: Credentials | None, max_clients: int) -> None:
        self._means = means
        self._credentials = credentials
        self._max_clients = max_clients
        self._clients: set[Client] = set()
        self._is_full = False  # a client was closed, and none has ended since

    @property
    def count(self) -> int:
        """The number of clients."""
        return len(self._clients)

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:  # type: ignore[override]  # a link
        """Return the protocol for a client; None closes the connection: there are too many."""
        if len(self._clients) >= self._max_clients:
            self._report_full()
            return None
        name = f"{getattr(addr, 'host', '?')}:{getattr(addr, 'port', '?')}"
        client = Client(self._means, Opening(self._credentials), name, self._left)
        self._clients.add(client)
        return client.protocol()

    def abort_all(self) -> None:
        """Reset all clients: what they were doing is cut."""
        for client in list(self._clients):
            client.abort()

    def _left(self, client: Client) -> None:
        self._clients.discard(client)
        self._is_full = False

    def _report_full(self) -> None:
        if not self._is_full:
            self._is_full = True
            _log.warn(
                "further clients are closed at once: {count} are connected "
                "(GATEWAY_MAX_CLIENTS={limit})",
                count=len(self._clients),
                limit=self._max_clients,
            )
