"""Looks a name up by DNS over UDP, through the radio itself, as the Tessel's firmware did."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import SystemRandom
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.names import dns

from tessel.radio.interface import NameNotFoundError, NameUnansweredError

PORT = 53
TRIES = 3
ANSWER_TIMEOUT_S = 2.0
"""Seconds until the question is asked again, and after TRIES times fails."""


class DnsQuestion(DatagramProtocol):
    """The protocol of a UDP port that asks one DNS question.

    `answer` fires with the addresses, or fails with NameNotFoundError or NameUnansweredError.
    """

    def __init__(
        self,
        name: str,
        server: str,
        clock: IReactorTime,
        is_blocked: Callable[[], bool] = lambda: False,
    ) -> None:
        """Ask `server` for the IPv4 addresses of `name`.

        `is_blocked` returns True while the radio can carry nothing: the timeout does not run then.
        """
        self._name = name
        self._server = server
        self._clock = clock
        self._is_blocked = is_blocked
        self._id = SystemRandom().getrandbits(16)  # so that a forged answer has to guess it
        self._tries = 0
        self._timer: IDelayedCall | None = None
        self.answer: Deferred[Sequence[str]] = Deferred(lambda _: self._stop_timer())

    def startProtocol(self) -> None:
        self._ask()

    def stopProtocol(self) -> None:
        self._fail(NameUnansweredError("the radio was switched off"))

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        message = dns.Message()
        try:
            message.fromStr(datagram)
        except (EOFError, ValueError, IndexError, struct.error):
            return
        if addr == (self._server, PORT) and message.id == self._id and message.answer:
            self._answered(message)

    def _ask(self) -> None:
        self._timer = None
        if self.answer.called or self.transport is None:
            return
        if self._tries and self._is_blocked():
            self._timer = self._clock.callLater(ANSWER_TIMEOUT_S, self._ask)
            return
        if self._tries == TRIES:
            self._fail(NameUnansweredError(f"{self._server} does not answer for {self._name}"))
            return
        self._tries += 1
        message = dns.Message(self._id, recDes=1)
        message.addQuery(self._name.encode("idna"), dns.A, dns.IN)
        self.transport.write(message.toStr(), (self._server, PORT))
        self._timer = self._clock.callLater(ANSWER_TIMEOUT_S, self._ask)

    def _answered(self, message: dns.Message) -> None:
        records = [
            cast("dns.Record_A", one.payload) for one in message.answers if one.type == dns.A
        ]
        found = [record.dottedQuad() for record in records]
        if found:
            self._stop_timer()
            if not self.answer.called:
                self.answer.callback(found)
        elif message.rCode in (dns.OK, dns.ENAME):
            self._fail(NameNotFoundError(f"no address for {self._name}"))
        else:
            trouble = f"{self._server} answers {message.rCode} for {self._name}"
            self._fail(NameUnansweredError(trouble))

    def _fail(self, error: NameNotFoundError | NameUnansweredError) -> None:
        self._stop_timer()
        if not self.answer.called:
            self.answer.errback(error)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
