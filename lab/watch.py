"""What the sites and the proxy saw since a moment: the ground of every claim about a route."""

import base64

from lab.waiting import eventually


class Watch:
    """Counts and log lines from now on."""

    def __init__(self, deployment):
        self._deployment = deployment
        self._before = {site: deployment.counts(site) for site in (deployment.far, deployment.near)}
        self._lines_before = len(deployment.proxy_log().lines)

    def visits(self, site, service):
        """Connections to that service of the site."""
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
        """The closing lines of substreams of these tunnels, when as many as expected are there."""

        def closed():
            tunnels = {line["tunnel"] for line in self.tunnels}
            return [line for line in self.log.substreams if line["tunnel"] in tunnels]

        eventually(
            lambda: len(closed()) >= expected,
            what=lambda: f"{expected} substreams closed; the proxy says {self.log.lines}",
        )
        return closed()

    def closed_tunnels(self):
        """The closing lines of these tunnels, when all of them are closed."""

        def lines():
            closed = [self.log.events("tunnel_closed", tunnel=x["tunnel"]) for x in self.tunnels]
            return [line for lines in closed for line in lines] if all(closed) else []

        return eventually(lines, what=lambda: f"all tunnels closed; {self.log.lines}")

    def relayed(self, site, service):
        """What passed through the port of that service on its last connection, both ways."""
        record = self._deployment.recorded(site, service)[-1]
        return base64.b64decode(record["received"]), base64.b64decode(record["sent"])
