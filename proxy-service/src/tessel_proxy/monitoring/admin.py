"""The admin port: health, readiness and metrics over HTTP.

    /healthz   200 while the process serves requests
    /readyz    200 if the proxy is ready for new tunnels; else 503 and the reasons, one per line
    /metrics   for Prometheus

With ADMIN_TOKEN, also the operator's page (/, /page/, /errors/) and the API (/api/v1/).

Monitors ask in many forms. GET, HEAD and OPTIONS get the same status, with HTTP/1.0 or 1.1, with
or without a query, a trailing slash, a second slash in front, or the whole URL as the target.
`OPTIONS /` is the default check of HAProxy. Other methods get 405: only the API changes something.

These three contain no secrets, but they show how busy the proxy is. So the port is bound to
loopback unless ADMIN_HOST is set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from prometheus_client import CollectorRegistry
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from tessel_proxy.front.listening import IListeningReactor, listen
from tessel_proxy.monitoring.api.access import Access
from tessel_proxy.monitoring.connections import AdminSite
from tessel_proxy.monitoring.operator_pages import ErrorPages, PageFiles, Start
from tessel_proxy.monitoring.page import PAGE
from tessel_proxy.monitoring.readiness import HasObstacles
from tessel_proxy.monitoring.settings import MonitoringSettings
from tessel_proxy.monitoring.text_pages import (
    NOTHING_THERE,
    MetricsPage,
    TextPage,
    health,
    nothing_there,
    readiness_answer,
)


@dataclass(frozen=True, slots=True)
class Operator:
    """The API for the operator, and the check of who may use it.

    `api` returns the resource below /api/; its argument answers as for an unknown path.
    """

    api: Callable[[Callable[[Request], bytes]], IResource]
    access: Access


def operator_site(operator: Operator) -> Site:
    """Return the HTTP server factory of the control socket: the API alone."""
    root = _Root()  # type: ignore[no-untyped-call] # Twisted's has no types
    root.putChild(b"api", operator.api(NOTHING_THERE.render))
    return AdminSite(root)


def add_operator(site: Site, operator: Operator) -> None:
    """Add the operator's page and API to the admin port."""
    root = cast("Resource", site.resource)
    root.putChild(b"", Start(PAGE[b"/"]))
    root.putChild(b"page", PageFiles())  # type: ignore[no-untyped-call] # as above
    root.putChild(b"errors", ErrorPages(operator.access))
    root.putChild(b"api", operator.api(NOTHING_THERE.render))


def admin_site(readiness: HasObstacles, registry: CollectorRegistry) -> Site:
    """Return the HTTP server factory of the admin port, with its three pages."""
    root = _Root()  # type: ignore[no-untyped-call] # as above
    root.putChild(b"", TextPage(nothing_there, {b"OPTIONS": health}))
    root.putChild(b"healthz", TextPage(health))
    root.putChild(b"readyz", TextPage(partial(readiness_answer, readiness)))
    root.putChild(b"metrics", MetricsPage(registry))
    return AdminSite(root)


class _Root(Resource):
    def getChild(self, path: bytes, request: Request) -> IResource:  # noqa: ARG002 -- Twisted's
        return NOTHING_THERE


class AdminPort:
    """The listener on ADMIN_PORT that serves `site`; without ADMIN_PORT it does nothing."""

    _log = Logger()

    def __init__(self, config: MonitoringSettings, reactor: IListeningReactor, site: Site) -> None:
        self._config = config
        self._reactor = reactor
        self._site = site
        self._port: IListeningPort | None = None

    @property
    def port(self) -> int | None:
        """The port number while the port is open, else None."""
        if self._port is None:
            return None
        return cast("IPv4Address | IPv6Address", self._port.getHost()).port

    def start(self) -> None:
        """Listen, if ADMIN_PORT is set; raises CannotListenError."""
        if self._config.admin_port is None:
            return
        self._port = listen(
            self._reactor, self._config.admin_host, self._config.admin_port, self._site
        )
        self._log.info(
            "health and metrics on {host}, port {port}",
            event="admin_listening",
            host=self._config.admin_host,
            port=self.port,
        )

    async def stop(self) -> None:
        """Stop listening; connections that are open stay open."""
        if self._port is not None:
            port, self._port = self._port, None
            await maybeDeferred(port.stopListening)
