"""Counts of the sites and log lines of the proxy, from one moment on.

The tests and the demo prove with them which way a connection went.
"""

import base64

from lab.waiting import eventually


class Watch:
    """Counts and log lines since this object was created."""

    def __init__(self, deployment):
        self._deployment = deployment
        self._before = {site: deployment.counts(site) for site in (deployment.far, deployment.near)}
        self._lines_before = len(deployment.proxy_log().lines)

    def visits(self, site, service):
        """Return the number of connections to a service of a site."""
        before = self._before[site][service]["connections"]
        now = self._deployment.counts(site)[service]["connections"]
        return sum(now.values()) - sum(before.values())

    @property
    def log(self):
        return self._deployment.proxy_log().after(self._lines_before)

    @property
    def tunnels(self):
        """The tunnels that were authenticated."""
        return self.log.tunnels

    def substreams(self, expected):
        """Wait for `expected` closing lines of substreams in these tunnels, and return them."""

        def closed():
            tunnels = {line["tunnel"] for line in self.tunnels}
            return [line for line in self.log.substreams if line["tunnel"] in tunnels]

        eventually(
            lambda: len(closed()) >= expected,
            what=lambda: f"{expected} substreams closed; the proxy's log: {self.log.lines}",
        )
        return closed()

    def closed_tunnels(self):
        """Wait until all of these tunnels are closed, and return their closing lines."""

        def lines():
            closed = [self.log.events("tunnel_closed", tunnel=x["tunnel"]) for x in self.tunnels]
            return [line for lines in closed for line in lines] if all(closed) else []

        return eventually(
            lines, what=lambda: f"all tunnels closed; the proxy's log: {self.log.lines}"
        )

    def relayed(self, site, service):
        """Return the bytes of the last connection to a service: received and sent by the site."""
        record = self._deployment.recorded(site, service)[-1]
        return base64.b64decode(record["received"]), base64.b64decode(record["sent"])
