"""A worker's end of the connection to its supervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure

from tessel_proxy.fleet.asking import ASK, TooLateError, asked
from tessel_proxy.fleet.calls import (
    VERSION,
    EngineCall,
    Guessed,
    Heard,
    Join,
    Last,
    Look,
    NotHeardError,
    Retire,
    Serving,
    in_parts,
    whole,
)
from tessel_proxy.fleet.notifying import acted
from tessel_proxy.fleet.remote import RemoteEngine
from tessel_proxy.fleet.wire import load_notice
from tessel_proxy.records.error_codes import ErrorCode

LAST_S: Final = 2.0
"""Seconds to wait at the end until the supervisor has the last metrics: it may be busy with the
workers that take over."""


class WorkerLink(amp.AMP):
    """The worker's end: answers the supervisor's looks, and calls its engine.

    The attributes are set after the service was made, before the first look.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Twisted's has no types
        self.engine = RemoteEngine(self._call_engine, clock)
        self._looked: tuple[int, float | None] = (0, None)
        self._clock = clock
        self.status: Callable[[], tuple[int, Sequence[str], bytes]] = lambda: (0, (), b"")
        self.answer: Callable[[str, Mapping[str, Any]], Any] = lambda _method, _arguments: None
        self.retire: Callable[[], None] = lambda: None
        self.orphaned: Callable[[], None] = lambda: None

    def locateResponder(self, name: bytes) -> Callable[[amp.AmpBox], object] | None:
        """Called by amp: returns what answers a command. Questions are answered without amp's
        conversions.
        """
        if name == ASK:
            return self._asked
        found = super().locateResponder(name)  # type: ignore[no-untyped-call] # as above
        return cast("Callable[[amp.AmpBox], object] | None", found)

    async def _asked(self, box: amp.AmpBox) -> amp.AmpBox:
        try:
            return asked(box, self.answer, self._clock.seconds())
        except TooLateError as error:
            self._log.warn("too_late: {error}", event="too_late", error=str(error))
            raise _not_answered() from error
        except Exception as error:  # amp would close the connection, and the worker would end
            self._log.failure("a question was not answered", error=ErrorCode.INTERNAL_ERROR.value)
            raise _not_answered() from error

    async def join(self) -> None:
        """Say which version this worker speaks; raises VersionError if the supervisor does not."""
        await self.callRemote(Join, version=VERSION)  # type: ignore[no-untyped-call] # as above

    async def serving(self) -> None:
        """Say that this worker accepts devices."""
        await self.callRemote(Serving)  # type: ignore[no-untyped-call] # as above

    async def last(self) -> None:
        """Send the last metrics; without an answer in time, those since the last look are lost."""
        _tunnels, _obstacles, metrics = self.status()
        # the supervisor is busy or has ended, or is of a version that does not know this call
        with suppress(TookTooLongError, ConnectionClosed, amp.AmpError):
            sent = self.callRemote(Last, metrics=metrics)  # type: ignore[no-untyped-call] # as above
            await sent.addTimeout(LAST_S, self._clock)

    def _call_engine(self, method: str, values: bytes) -> Deferred[bytes]:
        # without the conversions of callRemote, which take a third of the time of a call
        called = self.callRemoteString(  # type: ignore[no-untyped-call] # as above
            EngineCall.commandName, method=method.encode(), **in_parts("values", values)
        )
        return cast("Deferred[Any]", called).addCallback(partial(whole, "result"))

    def last_look(self) -> tuple[int, float | None]:
        """Return how many tunnels the other workers had at the last look, and when that was."""
        return self._looked

    @Look.responder
    def _look(self, elsewhere: int) -> dict[str, object]:
        self._looked = (elsewhere, self._clock.seconds())
        tunnels, obstacles, metrics = self.status()
        return {"tunnels": tunnels, "obstacles": list(obstacles), "metrics": metrics}

    @Retire.responder
    def _retire(self) -> dict[str, object]:
        self.retire()
        return {}

    @Heard.responder
    async def _heard(self, notice: bytes) -> dict[str, object]:
        # any other error than NotHeardError would close the connection, and the worker would end
        try:
            known = load_notice(notice)
        except (ValueError, LookupError, TypeError) as error:  # one of another version
            self._log.warn("notice_ignored: {error}", event="notice_ignored", error=str(error))
            raise NotHeardError from error
        if not await acted(self.engine.hear, known, self._clock):
            raise NotHeardError
        return {}

    @Guessed.responder
    def _guessed(self, source: str, level: float) -> dict[str, object]:
        self.engine.guessed(source, level)
        return {}

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called when the supervisor has ended, and when this process ends."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call] # as above
        self.orphaned()


def _not_answered() -> amp.RemoteAmpError:
    return amp.RemoteAmpError(amp.UNKNOWN_ERROR_CODE, "not answered", False)
