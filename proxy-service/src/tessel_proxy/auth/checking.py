"""A token that came over a tunnel -> whose it is, or how its device is turned away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from streamplex.conversation import Reason
from tessel_proxy.auth.interface import (
    Account,
    Authenticator,
    AuthMisconfiguredError,
    AuthUnavailableError,
    Refused,
)
from tessel_proxy.auth.token_memory import Digest
from tessel_proxy.limits.penalties import Penalties, Penalty, PenaltyError
from tessel_proxy.records.accounting import Refusal
from tessel_proxy.records.error_codes import Number
from tessel_proxy.records.repeated_lines import Kind, Lines


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """Why, and whether the same token may be right another time."""

    why: Refusal
    try_again: bool
    reason: Reason  # as the device is told


WRONG: Final = TurnedAway(Refusal.WRONG_TOKEN, try_again=False, reason=Reason.WRONG_TOKEN)
NOT_CHECKED: Final = TurnedAway(Refusal.NOT_CHECKED, try_again=True, reason=Reason.NOT_CHECKED)
# What was wrong a moment ago is so still.
WRONG_AGAIN: Final = TurnedAway(Refusal.TOKEN_PENALTY, try_again=False, reason=Reason.WRONG_TOKEN)
# Nobody knows whether the token is right.
TOO_OFTEN: Final = TurnedAway(
    Refusal.SOURCE_PENALTY, try_again=True, reason=Reason.TOO_MANY_ATTEMPTS
)


class SharedForChecks(Protocol):
    """The parts of the proxy that all checks of tokens share."""

    @property
    def authenticator(self) -> Authenticator: ...
    @property
    def penalties(self) -> Penalties: ...
    @property
    def clock(self) -> IReactorTime: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def lines(self) -> Lines: ...


class Checking:
    """The checks of one tunnel's tokens."""

    _log = Logger()

    def __init__(self, shared: SharedForChecks, source: str, tunnel: int) -> None:
        """`source`: who pays for wrong tokens."""
        self._shared = shared
        self._source = source
        self._tunnel = tunnel

    async def ask(self, token: str | None) -> Account | TurnedAway:
        """May be cancelled."""
        if token is None:
            return WRONG
        try:
            answer = await first_check(self._shared, token, self._source)
        except PenaltyError as error:
            return _unasked(error.penalty)
        except AuthUnavailableError as error:
            self._tell(error)
            return NOT_CHECKED
        return answer if isinstance(answer, Account) else WRONG

    def _tell(self, error: AuthUnavailableError) -> None:
        mine = isinstance(error, AuthMisconfiguredError)
        level = LogLevel.error if mine else LogLevel.warn
        number = (Number.CREDENTIALS if mine else Number.NOT_CHECKED).value
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

        kind = Kind("auth_unavailable", "not checked", "devices", why, level, number)
        self._shared.lines.tell(kind, write)


def _unasked(penalty: Penalty) -> TurnedAway:
    match penalty:
        case Penalty.OF_TOKEN:
            return WRONG_AGAIN
        case Penalty.OF_SOURCE:
            return TOO_OFTEN
        case _:
            assert_never(penalty)


def first_check(shared: SharedForChecks, token: str, source: str) -> Deferred[Account | Refused]:
    """The authenticator's answer; fails with PenaltyError if it is not asked now."""
    digest, penalties = shared.digest(token), shared.penalties
    if penalty := penalties.begin(source, digest, shared.clock.seconds()):
        return fail(PenaltyError(penalty))

    def ended(result: Account | Refused | Failure) -> Account | Refused | Failure:
        penalties.end(source, digest)
        match result:
            case Account():
                penalties.was_right(source, digest)
            case Refused():
                penalties.was_wrong(source, digest, shared.clock.seconds())
            case _:
                pass  # nobody could say, or the device did not wait: not its fault
        return result

    return shared.authenticator.check(token).addBoth(ended)
