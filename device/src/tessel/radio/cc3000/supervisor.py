"""Keeps the chip running and in its network.

A chip that is lost is started again, and a network that is lost is joined again, with a backoff.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import ChipError, CommandError, PowerOffError
from tessel.cc3000.hci.codes import Security
from tessel.cc3000.hci.replies import Lease
from tessel.cc3000.wlan import JoinError
from tessel.radio.interface import LinkState, NetworkUnreachableError

AGAIN_BASE_S, AGAIN_CAP_S = 1.0, 60.0
"""Seconds until the next attempt to start the chip or to join the network: the first wait, doubled
after each failure, and the longest."""

_log = Logger(namespace="tessel.radio")

_TROUBLE = (ChipError, CommandError, JoinError)


@dataclass(frozen=True, slots=True)
class WifiCredentials:
    """The name, security and password of a Wi-Fi network."""

    ssid: bytes
    security: Security = Security.OPEN
    key: bytes = field(default=b"", repr=False)


class ChipSupervisor:
    """Starts a CC3000, joins its Wi-Fi network, and repeats both with a backoff after failures.

    `link` is the present state of the link.
    """

    def __init__(
        self,
        chip: Chip,
        access_point: WifiCredentials | None,
        clock: IReactorTime,
        cut: Callable[[Exception], None],
    ) -> None:
        """Supervise `chip`, which is off.

        `access_point` is the network to join, None for none yet. `cut` is called with the reason
        when all sockets are lost: after `link` has changed, before its watchers are called.
        """
        self.link = LinkState.OFF
        self.access_point = access_point  # None: join no network
        self.ssid = access_point.ssid if access_point else b""  # of the network joined last
        self._chip = chip
        self._clock = clock
        self._cut = cut
        self._watchers: list[Callable[[LinkState], None]] = []
        self._trouble_watchers: list[Callable[[Exception], None]] = []
        self._reported = self.link  # to the watchers
        self._wanted = False
        self._joining = False
        self._failures = 0
        self._timer: IDelayedCall | None = None
        chip.wlan.watch(self._lease_changed)
        chip.driver.watch_loss(self._chip_lost)

    def watch(self, changed: Callable[[LinkState], None]) -> Callable[[], None]:
        """Call `changed` with the new state at each change of the link.

        Returns a function that ends the watch.
        """
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    async def power_on(self) -> None:
        """Start the chip and join its network, if it has one.

        Raises NetworkUnreachableError if either fails; the chip is then off.
        """
        if self._wanted:
            return
        self._wanted = True
        try:
            await self._bring_up()
        except _TROUBLE as fault:
            self.power_off()
            raise NetworkUnreachableError(str(fault)) from fault

    async def switch_on(self) -> None:
        """Start the chip, and join its network in the background until that succeeds.

        Raises NetworkUnreachableError if the chip does not start; it is off then.
        """
        if not self._wanted:
            await self.start()
            if self.access_point is not None:
                self._again()

    async def start(self) -> None:
        """Start the chip without joining a network.

        Raises NetworkUnreachableError if it does not start; it is off then.
        """
        self._wanted = True
        try:
            await self._start()
        except _TROUBLE as fault:
            self.power_off()
            raise NetworkUnreachableError(str(fault)) from fault

    def watch_trouble(self, failed: Callable[[Exception], None]) -> Callable[[], None]:
        """Call `failed` with the reason each time that a background restart or join fails.

        Returns a function that ends the watch.
        """
        self._trouble_watchers.append(failed)
        return lambda: self._trouble_watchers.remove(failed)

    def power_off(self) -> None:
        """Switch the chip off. It is not started again in the background."""
        self._wanted = False
        self._stop_timer()
        self.link = LinkState.OFF
        self._chip.driver.stop()
        self._change(LinkState.OFF)

    async def join(self, access_point: WifiCredentials) -> Lease:
        """Leave the present network and join this one; return the chip's addresses in it.

        Raises JoinError, CommandError, ChipError.
        """
        self._stop_timer()
        self.access_point = access_point
        self.ssid = access_point.ssid
        self._joining = True
        self._change(LinkState.JOINING)
        try:
            lease = await self._chip.wlan.join(
                access_point.ssid, access_point.security, access_point.key
            )
        finally:
            self._joining = False
            if self._wanted:
                self._change(LinkState.UP if self._chip.wlan.lease else LinkState.DOWN)
        self._failures = 0
        return lease

    async def leave(self) -> None:
        """Leave the network, and join no other in the background.

        Raises CommandError, ChipError.
        """
        self.access_point = None
        self._stop_timer()
        await self._chip.wlan.leave()

    async def _bring_up(self) -> None:
        if not self._chip.driver.running:
            await self._start()
        if self.access_point is not None:
            await self.join(self.access_point)

    async def _start(self) -> None:
        """Boot the chip.

        The chip may join a stored network by itself. That counts only if no other is to be joined.
        """
        self._joining = self.access_point is not None
        try:
            version = await self._chip.boot()
        finally:
            self._joining = False
        _log.info("the CC3000 has started; service pack {version}", version=str(version))
        in_one = self.access_point is None and self._chip.wlan.lease is not None
        self._change(LinkState.UP if in_one else LinkState.DOWN)

    # Loss of the network or the chip.

    def _lease_changed(self, lease: Lease | None) -> None:
        if lease is None:
            if self.link is LinkState.UP:
                self.link = LinkState.DOWN
            self._cut(NetworkUnreachableError("the network is lost"))
        if not self._joining and self._wanted:
            self._change(LinkState.UP if lease else LinkState.DOWN)
            if lease is None:
                self._again_later()
            else:
                self._stop_timer()  # the chip has joined the network by itself

    def _chip_lost(self, error: ChipError) -> None:
        self._cut(error)
        if self._wanted and not isinstance(error, PowerOffError):
            self._change(LinkState.DOWN)
            self._again_later()

    def _again_later(self) -> None:
        if self._timer is None and self._wanted:
            delay = min(AGAIN_CAP_S, AGAIN_BASE_S * 2.0**self._failures)
            self._timer = self._clock.callLater(delay, self._again)

    def _again(self) -> None:
        self._timer = None
        if not self._joining:
            Deferred.fromCoroutine(self._bring_up()).addErrback(self._not_again)

    def _not_again(self, failure: Failure) -> None:
        if not failure.check(*_TROUBLE):
            _log.failure("the chip could not be restarted", failure)
        elif self._wanted:
            self._failures += 1
            _log.warn("the network could not be joined: {fault}", fault=failure.value)
            for failed in list(self._trouble_watchers):
                failed(cast("Exception", failure.value))
            self._again_later()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _change(self, state: LinkState) -> None:
        self.link = state
        changed, self._reported = self._reported is not state, state
        for watcher in list(self._watchers) if changed else []:
            watcher(state)
