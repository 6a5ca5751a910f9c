"""Connections over the Tessel's chip, with what the Tessel's runtime did about it.

It waited a second for the chip, tried four times more, and had words of its own for what went
wrong. An error's text is the Tessel's, on which its programs match; its `code` is Node's.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.defer import TimeoutError as TimeIsUp
from twisted.internet.interfaces import IProtocol, IReactorTime

from tessel.cc3000.errors import CommandError
from tessel.cc3000.waiting import pause
from tessel.errors import NodeError
from tessel.network.direct import DirectNetwork
from tessel.network.interface import ProtocolFactory, Target
from tessel.radio.interface import (
    IRadio,
    NetworkUnreachableError,
    NoSocketError,
    RadioError,
    TimedOutError,
)

COMMAND_TIMEOUT_S = 1.0  # the Tessel's; a peer whose first SYN is lost takes longer
TRIES = 5
PAUSE_S = 0.1  # between two of them
GIVEN_UP = -5  # what the Tessel's driver made of a chip that did not answer in time

_FINAL = (NoSocketError, NetworkUnreachableError)  # trying again would change nothing


class ChipNetwork(DirectNetwork):
    """The chip connects to one place at a time, so those who wait for their turn have time."""

    def __init__(self, radio: IRadio, clock: IReactorTime) -> None:
        super().__init__(radio, clock)
        self._turn = DeferredLock()

    async def _reach(
        self, addresses: Sequence[str], port: int, factory: ProtocolFactory
    ) -> IProtocol:
        for _ in range(TRIES - 1):
            try:
                return await self._try(addresses, port, factory)
            except _FINAL:
                raise
            except RadioError:
                await pause(self._clock, PAUSE_S)
        return await self._try(addresses, port, factory)

    async def _try(
        self, addresses: Sequence[str], port: int, factory: ProtocolFactory
    ) -> IProtocol:
        await self._turn.acquire()
        attempt: Deferred[IProtocol] = self._radio.connect(addresses, port, factory)
        try:
            return await attempt.addTimeout(COMMAND_TIMEOUT_S, self._clock)
        except TimeIsUp as error:
            raise TimedOutError(f"no answer within {COMMAND_TIMEOUT_S:g} s") from error
        finally:
            self._turn.release()

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
    """What the chip said."""
    cause = error.__cause__
    return cause.code if isinstance(cause, CommandError) else GIVEN_UP
