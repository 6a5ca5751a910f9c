"""What the sites counted and the proxy logged of one program -> which way each connection took."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class Way:
    """Connections that one service of a site counted, and those of them that the proxy relayed."""

    site: str
    service: str
    target: str
    counted: int
    relayed: Counter  # by kind: `net`, or `tls` where the proxy did the TLS

    @property
    def direct(self):
        return self.counted - self.relayed.total()


@dataclass(frozen=True)
class Account:
    """All connections of one program."""

    tunnels: int
    ways: tuple[Way, ...]

    @property
    def relayed(self):
        return sum(way.relayed.total() for way in self.ways)

    @property
    def direct(self):
        return sum(way.direct for way in self.ways)

    @classmethod
    def of(cls, watch, sites):
        """Taken when the proxy has logged the end of the program's tunnels."""
        tunnels = watch.closed_tunnels()
        relayed = watch.substreams(sum(line["substreams"] for line in tunnels))
        ways = (
            _way(site, service, watch.visits(site, service), relayed)
            for site in sites
            for service in site.ports
            if service != "control"
        )
        return cls(len(tunnels), tuple(way for way in ways if way.counted))


def _way(site, service, counted, substreams):
    target = site.address(service)
    kinds = Counter(line["kind"] for line in substreams if line["target"] == target)
    return Way(site.name, service, target, counted, kinds)
