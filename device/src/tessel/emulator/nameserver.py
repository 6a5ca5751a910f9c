"""The name server of the access point: answers DNS questions over UDP from this machine's resolver.

The Tessel's firmware looked names up this way, and not with the chip's own command.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.names import dns
from twisted.python.failure import Failure

from tessel.emulator.air import Lookup
from tessel_service_kit.texts import counted

PORT = 53
TTL_S = 60  # of all answers: this machine's resolver keeps the real ones
QUESTIONS = 16  # at once; more are dropped, as UDP permits

_log = Logger()


class NameServer:
    """Answers DNS questions for IPv4 addresses.

    A question for another type gets an empty answer. Datagrams that are no single question are
    ignored.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._asked = 0

    def ask(self, datagram: bytes, reply: Callable[[bytes], None]) -> None:
        """Answer a DNS question: call `reply` with the answer when the look-up has ended.

        Does not call `reply` if the datagram is no question, or QUESTIONS look-ups are running.
        """
        question = _question(datagram)
        if question is None or self._asked >= QUESTIONS:
            _log.debug("no answer to a DNS datagram of {size}", size=counted(len(datagram), "byte"))
            return
        if question.queries[0].type != dns.A:
            reply(_answer(question, []))
            return
        self._asked += 1
        name = question.queries[0].name.name.decode("latin-1")
        found: Deferred[bytes] = self._lookup(name).addCallbacks(
            lambda addresses: _answer(question, addresses), lambda fault: _refusal(question, fault)
        )
        found.addBoth(self._over).addCallback(reply).addErrback(_log_failure)

    def _over(self, answer: bytes | Failure) -> bytes | Failure:
        self._asked -= 1
        return answer


def _question(datagram: bytes) -> dns.Message | None:
    message = dns.Message()
    try:
        message.fromStr(datagram)
    except (EOFError, ValueError, struct.error, IndexError):
        return None
    return message if len(message.queries) == 1 and not message.answer else None


def _answer(question: dns.Message, addresses: Sequence[str], rcode: int = dns.OK) -> bytes:
    message = dns.Message(question.id, answer=1, recDes=question.recDes, recAv=1, rCode=rcode)
    message.queries = list(question.queries)
    name = question.queries[0].name.name
    message.answers = [
        dns.RRHeader(name, dns.A, dns.IN, TTL_S, dns.Record_A(address, TTL_S))
        for address in addresses
        if ":" not in address
    ]
    data: bytes = message.toStr()
    return data


def _refusal(question: dns.Message, fault: Failure) -> bytes:
    _log.debug("no address for a name: {fault}", fault=fault.value)
    return _answer(question, [], dns.ENAME)


def _log_failure(failure: Failure) -> None:
    _log.failure("the simulated name server failed", failure)
