"""Acts on notices of the engine: cuts, ends or checks tunnels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final, assert_never

from twisted.internet.defer import Deferred, fail

from streamplex.conversation import Reason, Refused
from tessel_proxy.fleet.notices import (
    CountAsked,
    DeviceMoved,
    Notice,
    RuleAdded,
    RuleRemoved,
    TokensRevoked,
    TunnelsEnded,
)
from tessel_proxy.operations import Refusing
from tessel_proxy.records.ends import TunnelOutcome
from tessel_proxy.tunnel.shared_state import DeviceKey, OpenTunnel, TunnelRegistry

MAX_FIRST: Final = 16
"""Accounts whose tokens are checked before those of others, within a second. With more, all wait in
one queue, and a token that is revoked alone is checked before them."""


class NotActedError(Exception):
    """A notice could not be acted on in full; the log has said why."""


class NoticeActions:
    """Acts on notices about the tunnels of this process.

    `doubt` reads files of tokens again if they have changed, and makes the authenticators forget
    that they have checked tokens lately. It returns the names of the files that have faults.
    """

    def __init__(
        self, tunnels: TunnelRegistry, doubt: Callable[[], Sequence[str]], refusing: Refusing
    ) -> None:
        self._tunnels = tunnels
        self._refusing = refusing
        self._doubt = doubt

    def hear(self, notice: Notice) -> Deferred[None] | None:
        """Act on a notice; the Deferred fails with NotActedError if that was not possible."""
        match notice:
            case DeviceMoved(account, device, member):
                older = self._tunnels.by_device.get(DeviceKey(account, device))
                if older is not None:
                    older.move_away(member)
            case TokensRevoked(account):
                return self._check_again(account)
            case TunnelsEnded():
                self._end(notice)
            case RuleAdded(rule):
                self._refusing.add(rule)
            case RuleRemoved(rule_id):
                self._refusing.remove(rule_id)
            case CountAsked():
                pass  # no tunnel is concerned: the Member answers
            case _:
                assert_never(notice)
        return None

    def _check_again(self, account: str | None) -> Deferred[None] | None:
        faulty = self._doubt()
        self.check_tokens(account)
        return fail(NotActedError(f"cannot be read: {', '.join(faulty)}")) if faulty else None

    def check_tokens(self, account: str | None) -> None:
        """Check the tokens of an account's open tunnels now; None: of all tunnels, in turn."""
        if account is not None:
            self.check_accounts([account])
            return
        for tunnel, _ in self._owned():
            tunnel.check_in_turn()

    def check_accounts(self, accounts: Collection[str]) -> None:
        """Check the tokens of these accounts' open tunnels: now, or in turn if they are many."""
        for tunnel, account in self._owned():
            if account not in accounts:
                continue
            if len(accounts) <= MAX_FIRST:
                tunnel.check_again()
            else:
                tunnel.check_in_turn()

    def _owned(self) -> Iterator[tuple[OpenTunnel, str]]:
        """Return the tunnels whose token was accepted, and the account of each."""
        for tunnel in list(self._tunnels.all):
            owner = tunnel.owner
            if owner is not None:
                yield tunnel, owner.account

    def _end(self, command: TunnelsEnded) -> None:
        said = Refused(Reason.ENDED, True, command.reason)
        for tunnel in list(self._tunnels.all):
            owner = tunnel.owner
            if owner is None or owner.account != command.account:
                continue
            if command.device in (None, owner.name) and tunnel.age_s >= command.age_s:
                tunnel.dismiss(said, TunnelOutcome.ENDED_BY_OPERATOR)
