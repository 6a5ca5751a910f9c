"""Compute which way the connections of a program went, from site counts and the proxy's log."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Route:
    """Connections that a service of a site counted, and how many of them the proxy relayed."""

    site: str
    service: str
    target: str
    counted: int
    relayed: Counter  # by kind: `net`, or `tls` if the proxy encrypts

    @property
    def direct(self):
        return self.counted - self.relayed.total()


@dataclass(frozen=True)
class Account:
    """All connections of one program."""

    tunnels: int
    routes: tuple[Route, ...]

    @property
    def relayed(self):
        return sum(route.relayed.total() for route in self.routes)

    @property
    def direct(self):
        return sum(route.direct for route in self.routes)

    @classmethod
    def of(cls, watch, sites):
        """Wait until the proxy has logged the end of the program's tunnels, and count."""
        tunnels = watch.closed_tunnels()
        relayed = watch.substreams(sum(line["substreams"] for line in tunnels))
        routes = (
            _route(site, service, watch.visits(site, service), relayed)
            for site in sites
            for service in site.ports
            if service != "control"
        )
        return cls(len(tunnels), tuple(route for route in routes if route.counted))


def _route(site, service, counted, substreams):
    target = site.address(service)
    kinds = Counter(line["kind"] for line in substreams if line["target"] == target)
    return Route(site.name, service, target, counted, kinds)
