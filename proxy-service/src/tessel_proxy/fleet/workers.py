"""One worker as the supervisor sees it: a process, its log lines, and calls to and from it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure

from tessel_proxy.fleet.asking import ASK
from tessel_proxy.fleet.calls import Look, Retire, in_parts
from tessel_proxy.fleet.kept import HostEngine
from tessel_proxy.fleet.launching import IWorkerReactor, Launch, Newcomer, start_worker
from tessel_proxy.fleet.place import Seat
from tessel_proxy.fleet.silence import LOOK_S, Patience, Stage
from tessel_proxy.fleet.supervisor_link import SupervisorLink
from tessel_proxy.fleet.worker_lines import WorkerLines
from tessel_proxy.records.error_codes import ErrorCode

HALT: Final = signal.SIGUSR1
"""The signal that lets a worker stop at once. A second SIGTERM does not: whoever signals the whole
process group, or all processes of a service, sends one to each worker, and the supervisor another.
"""

TRACE: Final = signal.SIGQUIT
"""The signal on which a worker writes to standard error where it is, also in an endless loop."""


class WorkerState(Enum):
    """The states of a worker: from its start to its end."""

    STARTING = auto()
    SERVING = auto()
    RETIRING = auto()  # it drains
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a worker at the last look."""

    tunnels: int
    obstacles: Sequence[str]


class WorkerProcess(ProcessProtocol):
    """A running worker. `ready` fires when it serves, and fails if it ends before.

    `left` is called if the worker says that it ends, `ended` once with the worker and the reason in
    words, when its process has ended.
    """

    _log = Logger()

    def __init__(
        self,
        seat: Seat,
        member: str,
        engine: HostEngine,
        reactor: IWorkerReactor,
        *,
        patience: Patience,
        lines: WorkerLines,
        seen: Callable[[str, bytes], None],
        left: Callable[[WorkerProcess], None],
        ended: Callable[[WorkerProcess, str], None],
    ) -> None:
        """`seen` is called with the member's name and its metrics after each look."""
        self._seen = seen
        self.seat = seat
        self.member = member
        self.state = WorkerState.STARTING
        self.ready: Deferred[None] = Deferred()
        self.status = Status(0, ())
        self.stage = Stage.ANSWERS
        self.started_at = reactor.seconds()
        self._reactor = reactor
        self._patience = patience
        self._is_asked, self._unanswered = False, 0  # looks in a row
        self._lines = lines
        self._left, self._ended = left, ended
        self._killed_why: str | None = None
        self._reload_is_due = False
        self.link = SupervisorLink(engine, member, self._serves, self._ends)

    def start(self, launch: Launch, listening: Sequence[tuple[str, int]]) -> None:
        """Start the process; raises OSError if the system does not allow it."""
        newcomer = Newcomer(self.seat, self.member, self, self.link)
        start_worker(launch, newcomer, listening, self._reactor)

    def ask(self, question: bytes) -> Deferred[amp.AmpBox]:
        """Ask the worker a question of the operator; fails if the connection is lost."""
        called = self.link.callRemoteString(ASK, **in_parts("question", question))  # type: ignore[no-untyped-call] # Twisted's has no types
        return cast("Deferred[amp.AmpBox]", called)

    @property
    def can_be_asked(self) -> bool:
        """Whether the worker serves or drains, so that it can answer."""
        return self.state in (WorkerState.SERVING, WorkerState.RETIRING) and not self.link.lost

    @property
    def obstacles(self) -> Iterable[str]:
        """The reasons, in words, why this worker should get no new tunnels."""
        number = self.seat.number
        if self.stage is not Stage.ANSWERS:
            yield f"worker {number} has not answered for {self.silent_s:.0f} s"
        yield from (f"worker {number}: {each}" for each in self.status.obstacles)

    @property
    def is_leaving(self) -> bool:
        """Whether the worker drains although this process has not asked it to.

        Somebody else has sent it SIGTERM, or the connection broke, so that it takes this process
        for ended. A connection that closed just now is the end of the worker's process.
        """
        has_left = self.link.lost and self.silent_s > LOOK_S
        return self.state is WorkerState.SERVING and (
            has_left or "draining" in self.status.obstacles
        )

    @property
    def pid(self) -> int | None:
        """The process id; None after the end."""
        return cast("int | None", self._process.pid)

    @property
    def _process(self) -> IProcessTransport:
        return cast("IProcessTransport", self.transport)

    @property
    def lived_s(self) -> float:
        """Seconds since the start."""
        return self._reactor.seconds() - self.started_at

    def _serves(self) -> None:
        if self.state is WorkerState.STARTING:
            self.state = WorkerState.SERVING
            self._unanswered = 0
            self.look(0)  # so that its metrics are there at once
            self.ready.callback(None)
            if self._reload_is_due:
                self.signal("HUP")

    def _ends(self, metrics: bytes) -> None:
        self._seen(self.member, metrics)
        self._left(self)

    def reload(self) -> None:
        """Let the worker read its files again.

        One that starts gets the signal when it serves: before it handles signals, it would die.
        """
        if self.state is WorkerState.STARTING:
            self._reload_is_due = True
        else:
            self.signal("HUP")

    def retire(self) -> None:
        """Let the worker drain, because others serve on its sockets now."""
        if self.state is WorkerState.SERVING and not self.link.lost:
            self.state = WorkerState.RETIRING
            self.link.call(Retire).addErrback(lambda _lost: None)
        else:
            self.signal("TERM")

    def signal(self, name: str | int) -> None:
        """Send a signal, such as "HUP" or a number; does nothing if the process has ended."""
        with suppress(ProcessExitedAlready):
            self._process.signalProcess(name)

    def trace(self) -> None:
        """Let the worker write down where it is; one that starts would die of the signal."""
        if self.state is not WorkerState.STARTING:
            self.signal(TRACE)

    def kill(self, why: str) -> None:
        """End the process at once; `why` is the reason of its end."""
        self._killed_why = why
        self.signal("KILL")

    @property
    def silent_s(self) -> float:
        """Seconds of looks since the last answer, or since the start of one that starts."""
        return self._unanswered * LOOK_S

    @property
    def limit_s(self) -> float:
        """Seconds for which this worker may be silent."""
        if self.state is WorkerState.STARTING:
            return self._patience.start_s
        # without the connection it drains by itself, and cannot be asked
        return self._patience.drain_s if self.link.lost else self._patience.answer_s

    def look(self, elsewhere: int) -> None:
        """Ask the worker how it is; the result is in `status` when it has answered.

        There is one question at a time: each look without a new one counts as silence.
        """
        self._lines.flush()
        if self._is_asked or self.state is WorkerState.STARTING or self.link.lost:
            self._unanswered += 1
            return
        self._is_asked = True
        asked = self.link.call(Look, elsewhere=elsewhere)
        asked.addCallbacks(self._answered, lambda _lost: None)
        asked.addErrback(self._not_understood)

    def _answered(self, box: dict[str, Any]) -> None:
        self._is_asked, self._unanswered = False, 0
        if self.state is not WorkerState.ENDED:
            self.status = Status(box["tunnels"], box["obstacles"])
            self._seen(self.member, box["metrics"])

    def _not_understood(self, failure: Failure) -> None:
        self._log.failure(
            "the answer of a worker cannot be read",
            failure=failure,
            error=ErrorCode.INTERNAL_ERROR.value,
        )

    def childDataReceived(self, childFD: int, data: bytes) -> None:  # noqa: ARG002 -- Twisted's
        """Called with log lines of the worker: passes whole lines on."""
        self._lines.received(data)

    def processEnded(self, reason: Failure) -> None:
        """Called when the process has ended and all its log lines were read."""
        self._lines.ended()
        self.state = WorkerState.ENDED
        self.link.end()
        why = self._killed_why or _in_words(reason)
        if not self.ready.called:
            self.ready.errback(WorkerEndedError(why))
        self._ended(self, why)


class WorkerEndedError(Exception):
    """Raised if a worker ends before it serves; the text says how."""


def _in_words(reason: Failure) -> str:
    number = getattr(reason.value, "signal", None)
    if number is not None:
        return f"signal {number}"
    return f"exit code {getattr(reason.value, 'exitCode', 0) or 0}"
