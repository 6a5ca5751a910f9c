"""A worker as a whole: a proxy on inherited sockets, and the connection to its supervisor."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial

from twisted.internet.interfaces import IAddress, IReactorSocket, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger

from tessel_proxy.fleet.place import LAST_WORDS, STDERR, SUPERVISOR
from tessel_proxy.fleet.summing import packed, snapshot_of
from tessel_proxy.fleet.usage_reports import UsageReports
from tessel_proxy.fleet.worker import WorkerLink
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.startup.composition import ProxyService
from tessel_service_kit.serving import Serving


class Worker:
    """Joins a ProxyService to its supervisor."""

    _log = Logger()

    def __init__(self, service: ProxyService, link: WorkerLink, clock: IReactorTime) -> None:
        self._service = service
        self._reports = None
        if service.usage is not None:
            self._reports = UsageReports(service.usage.take, link.engine.reported, clock)
        self._link = link
        link.status = self._status
        if service.operated is not None:
            link.answer = service.operated.operations.answer

    def of(self, serving: Serving) -> None:
        """Let the supervisor, and its end, stop this run."""
        self._link.retire = partial(self._retire, serving)
        self._link.orphaned = partial(self._orphaned, serving)

    async def start(self, reactor: IReactorSocket) -> None:
        """Join the supervisor, listen, and say that this worker serves."""
        with socket.socket(fileno=SUPERVISOR) as connection:  # the reactor duplicates it
            connection.setblocking(False)
            reactor.adoptStreamConnection(
                connection.fileno(),
                connection.family,
                _Link(self._link),  # type: ignore[arg-type] # it is one
            )
        await self._link.join()
        for rule in await self._link.engine.rules():  # notices of changes come already
            self._service.refusing.add(rule)
        self._service.startService()
        if self._reports is not None:
            self._reports.start()
        await self._link.serving()

    async def stop(self) -> None:
        """Drain and stop, then report the last usage and the last metrics."""
        await self._service.stopService()
        if self._reports is not None:
            await self._reports.stop()
        await self._link.last()

    def _retire(self, serving: Serving) -> None:
        self._service.successors_serve = True
        serving.stop("other workers serve on its sockets")

    def _orphaned(self, serving: Serving) -> None:
        if serving.has_ended:
            return  # this process ends, and not the supervisor
        os.dup2(LAST_WORDS, STDERR)  # the log lines went to the supervisor
        if serving.is_stopping:
            return  # the supervisor stops, too, and does not wait after a second signal
        self._log.error(
            "the supervisor has ended; this worker drains and ends",
            event="supervisor_lost",
            error=ErrorCode.SUPERVISOR_LOST.value,
        )
        serving.stop("the supervisor has ended")

    def _status(self) -> tuple[int, Sequence[str], bytes]:
        service = self._service
        metrics = packed(snapshot_of(service.metrics.collect()))
        return service.tunnels, service.obstacles, metrics


class _Link(ServerFactory[WorkerLink]):
    """A factory with one protocol, for one adopted connection."""

    noisy = False

    def __init__(self, link: WorkerLink) -> None:
        self._link = link

    def buildProtocol(self, addr: IAddress | None) -> WorkerLink:  # noqa: ARG002 -- Twisted's
        return self._link
