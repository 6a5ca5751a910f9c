"""Carry questions of an operator to other hosts through the engine, and their answers back.

Questions are entries of one stream that all hosts read; each host has a stream for the answers to
its own. Both are read beside the notices. An answer is sent in pieces, and only while the asker
waits for it. Whoever has access to the engine may ask.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TookTooLongError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel_proxy.fleet.engine import EngineError
from tessel_proxy.fleet.questions import AnswerQuestion, Arguments, packed, unpacked
from tessel_proxy.fleet.valkey.hearing import Fields, Hearing
from tessel_proxy.fleet.valkey.link import Link
from tessel_proxy.fleet.valkey.members import LivingMembers
from tessel_proxy.fleet.valkey.scripts import ANSWER, ASK, IS_ASKED
from tessel_proxy.fleet.wire import dumped
from tessel_proxy.operations.process import COMMANDS, Parts, is_known
from tessel_proxy.records.error_codes import ErrorCode

ASKED: Final = "tessel:questions"
ANSWERS: Final = "tessel:answers:"

ANSWER_S: Final = 1.25
"""Seconds until all hosts must have answered: a quarter more than a host gives its workers."""

MAX_ASKING: Final = 32
"""Questions of this host that wait for answers. For more, the others count as missing."""

MAX_ANSWERING: Final = 64
"""Questions of others that this host works on. More are ignored, so it counts as missing."""

PIECE_BYTES: Final = 16 * 1024
"""Bytes of one entry. A read has 256 of them at most, far less than MAX_REPLY_BYTES."""

PIECES_PER_CALL: Final = 16
"""Pieces that one script writes: meanwhile the server serves nobody else."""

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""Bytes of one host's answer, compressed. The longest is 1,001 tunnels with names that cannot be
compressed, some hundred KiB."""

MAX_PIECES: Final = MAX_ANSWER_BYTES // PIECE_BYTES

MAX_HELD_BYTES: Final = 64 * 1024 * 1024
"""Bytes of answers that are not complete; hosts whose answers exceed it are missing."""

MAX_QUESTION_BYTES: Final = 256 * 1024
"""Bytes of a question: one with a number for each of 4,000 processes is shorter."""

Pieces = dict[int, bytes]


@dataclass(slots=True)
class _Asking:
    """A question of this host. `awaited` None: it is not known yet who is to answer."""

    awaited: frozenset[str] | None = None
    held_bytes: int = 0
    pieces: dict[str, Pieces] = field(default_factory=dict)
    answers: dict[str, Parts] = field(default_factory=dict)
    done: Deferred[None] = field(default_factory=Deferred)

    def look(self) -> None:
        """Fire `done` if all have answered."""
        has_all = self.awaited is not None and self.awaited <= self.answers.keys()
        if has_all and not self.done.called:
            self.done.callback(None)


class EngineQuestions:
    """Implements HostQuestions."""

    _log = Logger()

    def __init__(
        self, clock: IReactorTime, link: Link, hearing: Hearing, living: LivingMembers
    ) -> None:
        self._clock = clock
        self._link = link
        self._hearing = hearing
        self._living = living
        self._host = ""
        self._answer: AnswerQuestion = _no_answer
        self._asking: dict[str, _Asking] = {}
        self._answering = 0
        self._ignored: set[str] = set()

    @property
    def members(self) -> Mapping[str, Sequence[str]]:
        """The members of each host that lives. See HostQuestions."""
        return self._living.by_host

    def serve(self, host: str, answer: AnswerQuestion) -> None:
        """Answer the questions of others, and ask as `host`; before the engine starts."""
        self._host, self._answer = host, answer
        self._hearing.read(ASKED, self._question_came)
        self._hearing.read(ANSWERS + host, self._piece_came)

    # --- asking

    async def ask(
        self, method: str, arguments: Arguments, hosts: Collection[str] | None = None
    ) -> Parts:
        """Return the answers of other hosts within ANSWER_S. See HostQuestions."""
        wanted = None if hosts is None else sorted(hosts)
        question = zlib.compress(dumped([method, arguments, wanted]), 1)
        asking = _Asking()
        if len(self._asking) < MAX_ASKING and len(question) <= MAX_QUESTION_BYTES:
            await self._wait_for_answers(asking, question, hosts)
        answers: dict[str, Any] = {}
        for parts in asking.answers.values():
            answers.update(parts.answers)
        missing = [name for parts in asking.answers.values() for name in parts.missing]
        silent, members = self._meant(hosts) - asking.answers.keys(), self.members
        missing += [name for host in silent for name in members[host]]
        return Parts(answers, sorted(missing))

    def _meant(self, hosts: Collection[str] | None) -> frozenset[str]:
        """Return the other hosts that live, of those that are asked."""
        living = frozenset(self.members) - {self._host}
        return living if hosts is None else living.intersection(hosts)

    async def _wait_for_answers(
        self, asking: _Asking, question: bytes, hosts: Collection[str] | None
    ) -> None:
        until = self._clock.seconds() + ANSWER_S
        number = token_hex(8)
        self._asking[number] = asking
        open_ms, version = round(ANSWER_S * 1000), self._living.version
        try:
            reply = await self._link.run(ASK, number, open_ms, self._host, question, version)
            self._living.learn(reply)
            asking.awaited = self._meant(hosts)
            asking.look()
            await asking.done.addTimeout(max(0.0, until - self._clock.seconds()), self._clock)
            await deferLater(self._clock, 0)  # the asker may stop the reading, which calls this
        except (EngineError, TookTooLongError):
            pass  # hosts without an answer are returned as missing; EngineHealth logs it
        finally:
            del self._asking[number]

    def _piece_came(self, fields: Fields) -> None:
        asking = self._asking.get(fields.get(b"id", b"").decode("latin-1"))
        if asking is None:
            return  # it came too late
        host = fields[b"host"].decode()
        count, number = int(fields[b"pieces"]), int(fields[b"number"])
        pieces = asking.pieces.setdefault(host, {})
        held_bytes = sum(each.held_bytes for each in self._asking.values())
        if number < count <= MAX_PIECES and held_bytes < MAX_HELD_BYTES:
            pieces[number] = fields[b"data"]
            asking.held_bytes += len(fields[b"data"])
        if len(pieces) == count:
            data = b"".join(pieces[each] for each in sorted(pieces))
            del asking.pieces[host]
            asking.held_bytes -= len(data)
            asking.answers[host] = unpacked(data)
            asking.look()

    # --- answering

    def _question_came(self, fields: Fields) -> None:
        asker = fields[b"asker"].decode()
        if asker == self._host or self._answering >= MAX_ANSWERING:
            return
        inflating = zlib.decompressobj()
        plain = inflating.decompress(fields[b"data"], 16 * MAX_QUESTION_BYTES)
        method, arguments, hosts, *_later = json.loads(plain)
        if hosts is not None and self._host not in hosts:
            return
        if not is_known(method, arguments):
            self._ignore(method)
            return
        self._answering += 1
        answering = Deferred.fromCoroutine(
            self._answered(fields[b"id"].decode(), asker, method, arguments)
        )
        answering.addErrback(self._broken).addBoth(self._ended)

    async def _answered(self, number: str, asker: str, method: str, arguments: Any) -> None:
        try:
            if method in COMMANDS and await self._link.run(IS_ASKED, number) != "1":
                return  # the asker has given up, and has said so
            await self._send(number, asker, packed(await self._answer(method, arguments)))
        except EngineError:
            return  # the asker reports this host as missing

    async def _send(self, number: str, asker: str, data: bytes) -> None:
        if len(data) > MAX_ANSWER_BYTES:
            self._log.warn(
                "an answer of {nbytes} bytes is not sent: {most} are allowed",
                event="answer_too_long",
                nbytes=len(data),
                most=MAX_ANSWER_BYTES,
            )
            return
        pieces = [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]
        for first in range(0, len(pieces), PIECES_PER_CALL):
            some = pieces[first : first + PIECES_PER_CALL]
            head = (number, asker, self._host, len(pieces), first)
            if await self._link.run(ANSWER, *head, *some) != "1":
                return  # the asker does not wait any more

    def _ignore(self, method: object) -> None:
        """Say once of each method that this version does not know it."""
        name = f"{method:.40}" if isinstance(method, str) else "?"
        if name in self._ignored or len(self._ignored) >= MAX_ANSWERING:
            return
        self._ignored.add(name)
        self._log.warn(
            "question_ignored: {method} is not known by this version, or not with these arguments",
            event="question_ignored",
            method=name,
        )

    def _ended(self, _result: object) -> None:
        self._answering -= 1

    def _broken(self, failure: Failure) -> None:
        self._log.failure(
            "a question of another host was not answered",
            failure=failure,
            error=ErrorCode.INTERNAL_ERROR.value,
        )


async def _no_answer(_method: str, _arguments: Arguments) -> Parts:
    """Answer nothing, until `serve` is called: before that, no question is read."""
    return Parts({})
