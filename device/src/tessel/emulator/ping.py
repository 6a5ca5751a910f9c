"""The chip's ping. This machine may not send ICMP, so an answer to a SYN counts as a reply."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol
from twisted.logger import Logger

from tessel.cc3000.hci.events import PingReport
from tessel.cc3000.hci.netapp import Ping
from tessel.emulator.air import Air

ECHO_PORT = 7  # TCP's echo service; a refusal is an answer, too
MOST_ATTEMPTS = 100

_log = Logger()


class Pinger:
    """Runs one PING command at a time: a new one ends the previous one."""

    def __init__(
        self,
        air: Air,
        is_near: Callable[[str], bool],
        can_dial: Callable[[str], bool],
        report: Callable[[PingReport], None],
    ) -> None:
        """`is_near` says whether an address answers inside the simulated network, `can_dial`
        whether it can be dialled. `report` sends the report.
        """
        self._air = air
        self._is_near = is_near
        self._can_dial = can_dial
        self._report = report
        self._running: Deferred[None] | None = None
        self._sent = 0
        self._times_ms: list[int] = []

    def start(self, ping: Ping) -> None:
        """Begin a PING command. The report is sent when all pings are made."""
        self.stop()
        self._sent, self._times_ms = 0, []
        self._running = Deferred.fromCoroutine(self._run(ping))
        self._running.addErrback(
            lambda fault: fault.trap(CancelledError, error.ConnectingCancelledError)
        )
        self._running.addErrback(lambda fault: _log.failure("a ping failed", fault))

    def report(self) -> None:
        """Send a report of the pings so far, or of the last PING command."""
        times = self._times_ms or [0]
        average = sum(times) // len(times)
        received = len(self._times_ms)
        self._report(PingReport(self._sent, received, min(times), max(times), average))

    def stop(self) -> None:
        """End the current PING command without a report."""
        if self._running is not None:
            self._running.cancel()
            self._running = None

    async def _run(self, ping: Ping) -> None:
        for _ in range(min(ping.attempts, MOST_ATTEMPTS)):
            self._sent += 1
            started = self._air.clock.seconds()
            if self._is_near(ping.address) or await self._answers(ping):
                self._times_ms.append(round((self._air.clock.seconds() - started) * 1000))
        self._running = None
        self.report()

    async def _answers(self, ping: Ping) -> bool:
        if not self._can_dial(ping.address):
            return False
        probe = Protocol()
        timeout_s = ping.timeout_ms / 1000
        dial = self._air.dial(ping.address, ECHO_PORT, probe, from_port=0, timeout_s=timeout_s)
        try:
            await dial
        except error.ConnectionRefusedError:
            return True
        except error.ConnectError:
            return False
        if probe.transport is not None:
            probe.transport.loseConnection()
        return True
