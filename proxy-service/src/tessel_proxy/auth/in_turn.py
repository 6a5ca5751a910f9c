"""Several authenticators as one: the first that knows a token answers for it."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from tessel_proxy.auth.interface import Account, Authenticator, AuthUnavailableError, Refused


class InTurn:
    """A token is wrong when all have said so. Who cannot say now leaves the others their word."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    def check(self, token: str) -> Deferred[Account | Refused]:
        return Deferred.fromCoroutine(self._ask(token))

    async def _ask(self, token: str) -> Account | Refused:
        silent: AuthUnavailableError | None = None
        for each in self._authenticators:
            try:
                answer = await each.check(token)
            except AuthUnavailableError as error:
                silent = error
                continue
            if isinstance(answer, Account):
                return answer
        if silent is not None:
            raise silent
        return Refused()
