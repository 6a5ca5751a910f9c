"""The log of a service (LOG_FORMAT=json) as a sequence of events."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceLog:
    """Log lines as dictionaries, oldest first."""

    lines: tuple[dict, ...]

    @classmethod
    def parsed(cls, text):
        """Parse a log. Incomplete last lines are ignored, and so are lines that are not JSON."""
        complete = text[: text.rfind("\n") + 1]
        return cls(tuple(json.loads(x) for x in complete.splitlines() if x.startswith("{")))

    def after(self, count):
        """Return the log without its first `count` lines."""
        return ServiceLog(self.lines[count:])

    def events(self, name, **fields):
        """Return the lines of an event whose fields have these values."""
        return [
            line for line in self.lines if line["event"] == name and fields.items() <= line.items()
        ]

    @property
    def tunnels(self):
        return self.events("tunnel_authenticated")

    @property
    def substreams(self):
        return self.events("substream_closed")
