"""Compose the token service, its web site and the listening port."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorFromThreads,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from tessel_oauth.app import App
from tessel_oauth.config import Config
from tessel_oauth.service import TokenService
from tessel_oauth.site import BoundedConnections, Site
from tessel_oauth.tokens import Random
from tessel_service_kit.clocks import SteadyTime, WallTime

ShowKey = Callable[[str, str], None]  # called with an account's name and its new API key


class IServerReactor(IReactorTCP, IReactorTime, IReactorFromThreads):
    """The parts of a reactor that Server needs."""


class Server:
    """The whole token server, from the database to the listening port."""

    _log = Logger()

    def __init__(
        self,
        config: Config,
        reactor: IServerReactor,
        random: Random,
        show_key: ShowKey,
        wall_time: WallTime = time.time,
    ) -> None:
        self._config = config
        self._reactor = reactor
        self._show_key = show_key
        self._service = TokenService(
            config, SteadyTime(reactor.seconds, wall_time), reactor, random
        )
        self._port: IListeningPort | None = None

    async def start(self) -> None:
        """Open the database and listen.

        Raises:
            UnavailableError: the database cannot be opened.
            CannotListenError: the port cannot be used.
        """
        made = await self._service.open()
        if made is not None:
            self._show_key(self._config.seed_account, made)
        connections = BoundedConnections(Site(App(self._service).routes.resource(), self._reactor))
        self._port = self._reactor.listenTCP(
            self._config.port,
            cast("ServerFactory[Any]", connections),  # WrappingFactory is typed as a client's, too
            interface=self._config.host,
        )
        address = cast("IPv4Address | IPv6Address", self._port.getHost())
        self._log.info(
            "listening on {host} port {port}",
            event="listening",
            host=address.host,
            port=address.port,
        )

    async def stop(self) -> None:
        """Stop listening, then finish running jobs and close the database."""
        if self._port is not None:
            await maybeDeferred(self._port.stopListening)
        await self._service.close()
        self._log.info("stopped", event="stopped")
