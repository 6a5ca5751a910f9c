"""Direct connections over the CC3000, as the Tessel's runtime made them.

The runtime waited one second for the chip, tried five times in all, and ignored the host of a
listening port. The texts of errors are the Tessel's, which its programs compare; `code` is Node's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.defer import TimeoutError as TimeIsUp
from twisted.internet.interfaces import IProtocol, IReactorTime
from zope.interface import alsoProvides

from tessel.addresses import literal
from tessel.cc3000.errors import CommandError
from tessel.cc3000.pause import pause
from tessel.errors import NodeError
from tessel.network.direct import IPV4, DirectNetwork, OpenAt
from tessel.network.interface import IHostIgnored, ProtocolFactory, Target
from tessel.radio.interface import (
    AddressNotAvailableError,
    IRadio,
    IRadioPort,
    NameNotFoundError,
    NetworkUnreachableError,
    NoSocketError,
    RadioError,
    RadioTimedOutError,
)

COMMAND_TIMEOUT_S = 1.0  # as the Tessel; a connection whose first SYN is lost takes longer
TRIES = 5
PAUSE_S = 0.1  # between two tries
GIVEN_UP = -5  # the Tessel's error number for a chip that did not answer in time

_FINAL = (NoSocketError, NetworkUnreachableError)  # another try would fail, too


_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - as a program may say it


def _at_once() -> Deferred[None]:
    return succeed(None)


class ChipNetwork(DirectNetwork):
    """Makes direct connections over a CC3000, which can try only one target at a time.

    A cancelled attempt still occupies the chip until the chip gives up. The timeout of the next
    attempt begins after that.
    """

    def __init__(
        self,
        radio: IRadio,
        clock: IReactorTime,
        connect_turn: Callable[[], Deferred[None]] = _at_once,
    ) -> None:
        """`connect_turn` fires when the chip is free for another attempt."""
        super().__init__(radio, clock)
        self._connect_turn = connect_turn
        self._turn = DeferredLock()

    # Connecting.

    async def _reach(
        self, addresses: Sequence[str], port: int, factory: ProtocolFactory
    ) -> IProtocol:
        first: RadioError | None = None
        for address in addresses:
            try:
                return await self._reach_one(address, port, factory)
            except _FINAL:
                raise
            except RadioError as error:
                first = first or error
        raise first or NameNotFoundError("no addresses")

    async def _reach_one(self, address: str, port: int, factory: ProtocolFactory) -> IProtocol:
        left = TRIES
        while True:
            left -= 1
            try:
                return await self._try(address, port, factory)
            except _FINAL:
                raise
            except RadioError:
                if not left or not await self._is_free_within(left * (COMMAND_TIMEOUT_S + PAUSE_S)):
                    raise
            await pause(self._clock, PAUSE_S)

    async def _try(self, address: str, port: int, factory: ProtocolFactory) -> IProtocol:
        await self._turn.acquire()
        try:
            await self._connect_turn()
            attempt: Deferred[IProtocol] = self._radio.connect([address], port, factory)
            return await attempt.addTimeout(COMMAND_TIMEOUT_S, self._clock)
        except TimeIsUp as error:
            raise RadioTimedOutError(f"no answer within {COMMAND_TIMEOUT_S:g} s") from error
        finally:
            self._turn.release()

    async def _is_free_within(self, seconds: float) -> bool:
        """Return whether the chip has finished its last attempt within this time."""
        try:
            await self._connect_turn().addTimeout(seconds, self._clock)
        except TimeIsUp:
            return False
        return True

    # Ports.

    async def _open(self, host: str, open_at: OpenAt, family: int) -> IRadioPort:
        """Open a port on all addresses: the chip has only one. Another host is ignored."""
        del family  # the chip has IPv4 alone
        if host in _EVERYWHERE:
            return await open_at("")
        if getattr(literal(host), "version", None) == IPV4:
            with suppress(AddressNotAvailableError):
                return await open_at(host)
        port = await open_at("")
        alsoProvides(port, IHostIgnored)
        return port

    # Errors.

    def _worded(self, error: RadioError, call: str, about: Target | str) -> NodeError:
        if isinstance(error, NetworkUnreachableError):
            return NodeError("ENETUNREACH: Wifi is not connected.", error.code)
        if isinstance(error, NoSocketError):
            return NodeError("ENOENT: Cannot open another socket.", error.code)
        if call == "connect" and isinstance(about, Target):
            text = f"ENOENT Cannot connect to {about.host} Got: err{_result(error)}"
            return NodeError(text, error.code)
        return super()._worded(error, call, about)


def _result(error: RadioError) -> int:
    """Return the chip's error number."""
    cause = error.__cause__
    return cause.code if isinstance(cause, CommandError) else GIVEN_UP
