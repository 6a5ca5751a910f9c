"""Tell systemd about the state of a service: sd_notify(3), without its library."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"


class Notifier:
    """Sends the states of a service to systemd. Without NOTIFY_SOCKET it does nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """`environ`: the environment variables. systemd sets one for a unit with `Type=notify`."""
        address = environ.get(VARIABLE, "")
        # an abstract address begins with a zero byte, which a variable cannot hold
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self) -> None:
        """Say that the service has started, or has reloaded its files."""
        self._send("READY=1")

    def reloading(self) -> None:
        """Say that a reload has begun; `ready` ends it."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the service stops."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
            notifying.setblocking(False)
            try:
                notifying.sendto(text.encode(), self._address)
            except OSError:  # systemd does not listen: a service must not fail for that
                return
