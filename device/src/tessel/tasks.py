"""Coroutines as programs: what Node's programs have in sockets and timers, these have in awaits."""

from collections.abc import Coroutine

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from tessel.node import runtime
from tessel.node.handles import Handle


def start(coroutine: Coroutine[Deferred[object], object, object]) -> Deferred[None]:
    """Run it, and keep the process alive until it is done. Its error ends the program, as an
    `error` nobody listens for does. Cancelling what this returns is no error.
    """
    handle = runtime.current().handles.open("task")
    running = Deferred.fromCoroutine(coroutine)
    return running.addErrback(_told).addCallback(_done, handle)


def _told(failure: Failure) -> None:
    if not failure.check(CancelledError):
        runtime.current().call(failure.raiseException)


def _done(_: object, handle: Handle) -> None:
    handle.close()
