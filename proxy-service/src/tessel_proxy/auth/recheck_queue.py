"""Check the tokens of many open tunnels: a few at a time, each once, the others wait in order.

Without it, a change of AUTH_FILE or `check-tokens` would ask about all tokens in one moment. The
proxy's own queue of hashes, or the token service, would refuse most of them, and their tunnels
would end although their tokens are valid.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import Account, Authenticator, Refused
from tessel_proxy.auth.token_memory import Digest, SingleFlight

AT_ONCE: Final = 8
"""Checks at a time. A new device waits for as many hashes at most, 0.2 s with the default costs; a
token service that answers in 0.1 s is asked 80 times a second."""


class RecheckQueue:
    """An authenticator that asks another one, about AT_ONCE (8) tokens at a time.

    The time of a check begins with its turn: the other authenticator measures it. So the Deferred
    of `check` may fire later than AUTH_TIMEOUT_S. No more tokens wait than tunnels are open.
    """

    def __init__(self, authenticator: Authenticator, digest: Digest, clock: IReactorTime) -> None:
        self._authenticator = authenticator
        self._digest = digest
        self._clock = clock
        self._checks: SingleFlight[Account | Refused] = SingleFlight()
        self._just_begun: list[bytes] = []  # keys of checks that can be joined in this turn
        self._turns: OrderedDict[Deferred[None], None] = OrderedDict()
        self._running = 0
        self._gives_turns = False

    def check(self, token: str) -> Deferred[Account | Refused]:
        """Check `token` with the other authenticator when its turn has come, and return the result.

        Callers with one token share a check that has not begun, or has in this turn of the reactor.
        One that began before is not shared: the token may have been revoked since.
        """
        key = self._digest(token)
        return self._checks.join(key, partial(self._in_turn, key, token))

    def _in_turn(self, key: bytes, token: str) -> Deferred[Account | Refused]:
        turn: Deferred[None] = Deferred(lambda _: self._turns.pop(turn, None))
        self._turns[turn] = None
        result = turn.addCallback(lambda _: self._begin(key, token))
        self._give_turns()
        return result

    def _begin(self, key: bytes, token: str) -> Deferred[Account | Refused]:
        if not self._just_begun:
            self._clock.callLater(0, self._close_begun)
        self._just_begun.append(key)
        self._running += 1
        return self._authenticator.check(token).addBoth(self._ended)

    def _close_begun(self) -> None:
        begun, self._just_begun = self._just_begun, []
        for key in begun:
            self._checks.close(key)

    def _ended(self, result: Account | Refused | Failure) -> Account | Refused | Failure:
        self._running -= 1
        self._give_turns()
        return result

    def _give_turns(self) -> None:
        if self._gives_turns:
            return  # a result came at once: the loop below goes on, without recursion
        self._gives_turns = True
        try:
            while self._turns and self._running < AT_ONCE:
                turn, _ = self._turns.popitem(last=False)
                turn.callback(None)
        finally:
            self._gives_turns = False
