"""Questions of the operator to the workers of a host: their answers are JSON of any length."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from typing import Protocol as Interface

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.protocols import amp
from twisted.python.failure import Failure

from tessel_proxy.fleet.calls import whole
from tessel_proxy.operations.process import COMMANDS, Parts
from tessel_proxy.records.error_codes import ErrorCode

ASK: Final = b"Ask"
"""The name of the call. It has no conversions by amp, whose values are limited to 64 KiB."""

ANSWER_S: Final = 1.0
"""Seconds to wait for a worker's answer: a busy one takes some milliseconds."""

PIECE_BYTES: Final = 0xFFFF
"""Bytes of one value of a box."""


Arguments: TypeAlias = Mapping[str, Any]


class AsksBoxes(Interface):
    """The part of WorkerProcess that is needed to ask a worker."""

    @property
    def member(self) -> str: ...
    def ask(self, question: bytes) -> Deferred[amp.AmpBox]: ...


class TooLateError(Exception):
    """Raised for a command that is read after its sender has given up waiting for the answer."""


def asked(box: amp.AmpBox, answer: Callable[[str, Arguments], Any], now: float) -> amp.AmpBox:
    """Return the box with the answer to a question, in compressed pieces.

    Raises TooLateError. `now` is of the clock that all processes of a host have.
    """
    method, arguments, until = json.loads(whole("question", box))
    if method in COMMANDS and now > until:
        raise TooLateError(f"{method} was asked {now - until + ANSWER_S:.1f} s ago")
    data = zlib.compress(json.dumps(answer(method, arguments)).encode(), 1)
    pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
    return amp.AmpBox({str(number).encode(): piece for number, piece in enumerate(pieces)})


def answer_in(box: amp.AmpBox) -> Any:
    """Return the answer that `asked` has put into a box."""
    pieces = {int(name): piece for name, piece in box.items() if name.isdigit()}
    return json.loads(zlib.decompress(b"".join(pieces[each] for each in sorted(pieces))))


class AskedWorkers:
    """Answers by all workers of this host; see Answers."""

    _log = Logger()

    def __init__(self, workers: Callable[[], Sequence[AsksBoxes]], clock: IReactorTime) -> None:
        """`workers` returns those that serve or drain."""
        self._workers = workers
        self._clock = clock

    async def ask(self, method: str, arguments: Mapping[str, Any]) -> Parts:
        """Return the answers of all workers, within ANSWER_S."""
        until = self._clock.seconds() + ANSWER_S
        question = json.dumps([method, arguments, until]).encode()
        workers = list(self._workers())
        asking = [
            maybeDeferred(each.ask, question)
            .addTimeout(ANSWER_S, self._clock)
            .addCallback(answer_in)
            .addErrback(self._no_answer)
            for each in workers
        ]
        results = await DeferredList(asking)
        found = {
            worker.member: answer
            for worker, (_, answer) in zip(workers, results, strict=True)
            if answer is not _NO_ANSWER
        }
        return Parts(found, [each.member for each in workers if each.member not in found])

    def _no_answer(self, failure: Failure) -> object:
        self._log.debug(
            "a worker did not answer: {error}",
            error=failure.getErrorMessage(),
            code=ErrorCode.INTERNAL_ERROR.value,
        )
        return _NO_ANSWER


_NO_ANSWER: Final = object()
