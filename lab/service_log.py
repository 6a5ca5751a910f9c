"""The log of a service (LOG_FORMAT=json), as the events it tells."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class ServiceLog:
    """The lines from one moment on."""

    lines: tuple[dict, ...]

    @classmethod
    def parsed(cls, text):
        """Of a log that may end in the middle of a line; what is not JSON is not the service's."""
        complete = text[: text.rfind("\n") + 1]
        return cls(tuple(json.loads(x) for x in complete.splitlines() if x.startswith("{")))

    def after(self, count):
        return ServiceLog(self.lines[count:])

    def events(self, name, **fields):
        """The lines of that event whose fields have these values."""
        return [
            line for line in self.lines if line["event"] == name and fields.items() <= line.items()
        ]

    @property
    def tunnels(self):
        return self.events("tunnel_authenticated")

    @property
    def substreams(self):
        return self.events("substream_closed")
