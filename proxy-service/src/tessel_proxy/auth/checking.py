"""Check the token that a device sent over a new tunnel, and count wrong ones against its source."""

from __future__ import annotations

from typing import Protocol, assert_never

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.token_memory import Digest
from tessel_proxy.limits.penalties import Penalties, Penalty, PenaltyError
from tessel_proxy.records.ends import Refusal
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.records.repeated_lines import LineKind, LogLines


class Guesses(Protocol):
    """Wrong tokens of sources, counted together with other processes.

    `level` returns how many count now, or None if that is not known; it does not fail. `wrong` adds
    one.
    """

    async def level(self, source: str) -> float | None: ...
    def wrong(self, source: str) -> None: ...


class SharedForChecks(Protocol):
    """The parts of the proxy that the token checks of all tunnels share.

    They are the authenticator, the penalties for wrong tokens, the clock, the digest function for
    tokens, the limited log lines, and the wrong tokens of other processes, if there are any.
    """

    @property
    def authenticator(self) -> Authenticator: ...
    @property
    def penalties(self) -> Penalties: ...
    @property
    def clock(self) -> IReactorTime: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def lines(self) -> LogLines: ...
    @property
    def guesses(self) -> Guesses | None: ...


class TokenChecks:
    """Checks the tokens that a device sends over one tunnel."""

    _log = Logger()

    def __init__(self, shared: SharedForChecks, source: str, tunnel: int) -> None:
        """`source`: the address or network that wrong tokens are counted against."""
        self._shared = shared
        self._source = source
        self._tunnel = tunnel

    async def ask(self, token: str | None) -> Account | Refusal:
        """Return the account of `token`, or the reason why the token was not accepted.

        None, for a message without a token, is a wrong token. A failed check is logged. May be
        cancelled.
        """
        if token is None:
            return Refusal.WRONG_TOKEN
        try:
            await self._hear_of_guesses()
            answer = await first_check(self._shared, token, self._source)
        except PenaltyError as error:
            return _unasked(error.penalty)
        except AuthUnavailableError as error:
            self._log_failure(error)
            return Refusal.NOT_CHECKED
        return answer if isinstance(answer, Account) else Refusal.WRONG_TOKEN

    async def _hear_of_guesses(self) -> None:
        guesses = self._shared.guesses
        if guesses is not None and (level := await guesses.level(self._source)) is not None:
            self._shared.penalties.heard(self._source, level, self._shared.clock.seconds())

    def _log_failure(self, error: AuthUnavailableError) -> None:
        mine = isinstance(error, AuthMisconfiguredError)
        level = LogLevel.error if mine else LogLevel.warn
        number = (ErrorCode.CREDENTIALS if mine else ErrorCode.NOT_CHECKED).value
        why = str(error)

        def write() -> None:
            self._log.emit(
                level,
                "a token could not be checked: {why}",
                event="auth_unavailable",
                tunnel=self._tunnel,
                why=why,
                error=number,
            )

        kind = LineKind("auth_unavailable", "not checked", "devices", why, level, number)
        self._shared.lines.log(kind, write)


def _unasked(penalty: Penalty) -> Refusal:
    match penalty:
        case Penalty.OF_TOKEN:
            return Refusal.TOKEN_PENALTY
        case Penalty.OF_SOURCE:
            return Refusal.SOURCE_PENALTY
        case _:
            assert_never(penalty)


def first_check(shared: SharedForChecks, token: str, source: str) -> Deferred[Account | Refused]:
    """Return the authenticator's result for `token`, and count a refused token against `source`.

    Fails with PenaltyError, without asking the authenticator, if `source` has a penalty. A check
    that fails or is cancelled is not counted.
    """
    digest, penalties = shared.digest(token), shared.penalties
    if penalty := penalties.begin(source, digest, shared.clock.seconds()):
        return fail(PenaltyError(penalty))

    def ended(result: Account | Refused | Failure) -> Account | Refused | Failure:
        penalties.end(source, digest)
        match result:
            case Account():
                penalties.was_right(source, digest)
            case Refused():
                is_new = penalties.was_wrong(source, digest, shared.clock.seconds())
                if is_new and shared.guesses is not None:
                    shared.guesses.wrong(source)
            case _:
                pass
        return result

    return shared.authenticator.check(token).addBoth(ended)
