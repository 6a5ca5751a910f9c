"""The supervisor's end of the connection to one worker: calls to and from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure

from tessel_proxy.fleet.calls import (
    VERSION,
    EngineCall,
    Guessed,
    Heard,
    Join,
    Last,
    Serving,
    VersionError,
    in_parts,
    whole,
)
from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.kept import HostEngine
from tessel_proxy.fleet.notices import Notice
from tessel_proxy.fleet.wire import answer, dump_notice, dumped
from tessel_proxy.records.error_codes import ErrorCode


class SupervisorLink(amp.AMP):
    """The supervisor's end of the connection to one worker: serves its calls."""

    _log = Logger()

    def __init__(
        self,
        engine: HostEngine,
        member: str,
        serving: Callable[[], None],
        last: Callable[[bytes], None],
    ) -> None:
        """`serving` is called when the worker serves, `last` with its last metrics."""
        super().__init__()  # type: ignore[no-untyped-call] # Twisted's has no types
        self._engine = engine
        self._member = member
        self._serving = serving
        self._last = last
        self.is_joined = False
        self.lost = False

    @Join.responder
    def _joins(self, version: int) -> dict[str, object]:
        if version != VERSION:
            raise VersionError(f"the supervisor speaks version {VERSION}, the worker {version}")
        self._engine.listen(self._member, self._notify)
        self.is_joined = True
        return {}

    @Serving.responder
    def _serves(self) -> dict[str, object]:
        self._serving()
        return {}

    @Last.responder
    def _ends(self, metrics: bytes) -> dict[str, object]:
        self._last(metrics)
        return {}

    def locateResponder(self, name: bytes) -> Callable[[amp.AmpBox], object] | None:
        """Called by amp: returns what answers a command.

        Calls of the engine are answered without amp's conversions, as they are sent.
        """
        if name == EngineCall.commandName:
            return self._engine_called
        found = super().locateResponder(name)  # type: ignore[no-untyped-call] # as above
        return cast("Callable[[amp.AmpBox], object] | None", found)

    async def _engine_called(self, box: amp.AmpBox) -> amp.AmpBox:
        method, values = box[b"method"].decode(), json.loads(whole("values", box))
        if self.lost:  # a call of a process that has ended would make it a member again
            raise _refused(EngineError("this worker has ended"))
        try:
            result = await answer(self._engine, self._member, method, values)
        except EngineError as error:
            raise _refused(error) from error
        except Exception as error:
            self._log.failure("a call of a worker failed", error=ErrorCode.INTERNAL_ERROR.value)
            raise _refused(EngineError("internal error of the supervisor")) from error
        parts = in_parts("result", dumped(result))
        return amp.AmpBox({name.encode(): part for name, part in parts.items()})

    def _notify(self, notice: Notice) -> Deferred[Any]:
        return self.call(Heard, notice=dump_notice(notice))

    def call(self, command: type[amp.Command], **values: object) -> Deferred[Any]:
        """Call the worker; the Deferred fails if the connection is lost."""
        called = self.callRemote(command, **values)  # type: ignore[no-untyped-call] # as above
        return cast("Deferred[Any]", called)

    def guessed(self, source: str, level: float) -> None:
        """Report to the worker how many wrong tokens of a source count now."""
        if self.is_joined and not self.lost:
            self.callRemote(Guessed, source=source, level=level)  # type: ignore[no-untyped-call] # as above

    def end(self) -> None:
        """Close the connection and refuse calls that are still unread: the process has ended."""
        self.lost = True
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Called when the worker has ended or closed the connection."""
        self.lost = True
        super().connectionLost(reason)  # type: ignore[no-untyped-call] # as above


def _refused(error: EngineError) -> amp.RemoteAmpError:
    return amp.RemoteAmpError(EngineCall.errors[EngineError], str(error), False)
