"""One device's tunnel on the proxy: who is this, and then a target for each substream.

How far it has come is in a table (session_states.py). What comes while a token is being checked is
held in its order, and nothing is done for it before the answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TypeAlias, assert_never

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex import RemoteError, SilentPeerError, features
from streamplex.conversation import (
    ALREADY_ACCEPTED,
    NOT_AUTHORIZED,
    Accepted,
    Hello,
    Reason,
    Refused,
    decode_hello,
    encode_answer,
)
from streamplex.jsontext import Json
from streamplex.tx import ITunnelListener, Substream, TunnelProtocol
from streamplex.tx.endings import in_words
from streamplex.tx.flow import MAX_HELD_BYTES
from streamplex.tx.tcp import probe_peer, tcp_below
from streamplex.tx.tls import TLSTransport, ended_by_fin
from tessel_proxy.auth import Account
from tessel_proxy.auth.checking import TokenChecks
from tessel_proxy.auth.recheck import Doubt, Recheck
from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.records.accounting import ReplacedError, TunnelRecord
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.error_codes import ErrorCode
from tessel_proxy.relay.early_data import Allowance
from tessel_proxy.relay.reading import Reading
from tessel_proxy.relay.tunnel_context import Terms
from tessel_proxy.tunnel.serving import Serving
from tessel_proxy.tunnel.shared_state import Device, House
from tessel_proxy.tunnel.states import TRANSITIONS, Input, State

MAX_AUTH_FAILURES = 5
"""Answers of `false` on one tunnel: enough for a device that is told its token again, too few to
guess. A token that could not be checked counts, too: each costs a request to whoever checks."""

MAX_HELD = 64
"""Substreams and tokens that wait for a pending answer. Devices of ours send none; an original
one may open the few sockets of a start-up at once."""


MAX_BYTES_WITHOUT_TOKEN = 64 * 1024
"""What a stranger may say besides a token: the largest frame. JSON made for it takes 300 ms of the
processor for each megabyte, so that a few strangers could keep it from everybody else. After a
wrong token as much may follow."""

MAX_BYTES_WHILE_CHECKED = 2 * MAX_HELD_BYTES
"""What may come besides while a token is being checked: it is a stranger's as long. Substreams'
data stops the reading before it comes to that; what is left is for those who talk for its cost."""

_Held: TypeAlias = Hello | Substream


@implementer(ITunnelListener)
class Session:
    """What a tunnel's device may do, and what is done for it."""

    _log = Logger()

    def __init__(self, house: House, record: TunnelRecord, source: str = "") -> None:
        self._house = house
        self._record = record
        self._state = State.UNAUTHENTICATED
        self._failures = 0
        self._held: deque[_Held] = deque()
        self._secured = False
        self._deadline: IDelayedCall | None = None
        self._checking: Deferred[Account | Refusal] | None = None
        self._recheck: Recheck | None = None
        self._outcome: TunnelOutcome | None = None  # if the end is our doing
        self._tally: AccountUsage | None = None  # what the account has open
        self._device: Device | None = None  # if it has a name
        self._goes_away = False  # the device knows goaway/1
        self._tokens = TokenChecks(house, source, record.tunnel)
        self._serving = Serving(house, record)
        house.census.all.add(self)
        house.census.unauthenticated.add(self)
        house.census.handshaking.add(self)

    def _move(self, what: Input) -> None:
        self._state = TRANSITIONS[self._state][what]

    # --- the tunnel's life

    def tunnelMade(self, tunnel: TunnelProtocol) -> None:
        self._tunnel = tunnel
        tunnel.hear_at_most(MAX_BYTES_WITHOUT_TOKEN)
        if (connection := tcp_below(tunnel.transport)) is not None:
            # A device that loses its power says nothing, and not every device answers pings.
            probe_peer(connection.getHandle(), self._house.config.keep_alive)
        self._give_time(self._house.config.handshake_timeout_s, Refusal.HANDSHAKE_TIMEOUT)

    def tunnelSecured(self) -> None:
        self._secured = True
        below = self._tunnel.transport
        self._record.secured(resumed=isinstance(below, TLSTransport) and below.resumed)
        self._house.census.handshaking.discard(self)
        if self._state is State.UNAUTHENTICATED:
            self._await_token()

    def _await_token(self) -> None:
        self._give_time(self._house.config.auth_timeout_s, Refusal.AUTH_TIMEOUT)

    def _give_time(self, seconds: float, else_: Refusal) -> None:
        self._stop_waiting()
        self._deadline = self._house.clock.callLater(seconds, self._too_late, else_)

    def _stop_waiting(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def _too_late(self, why: Refusal) -> None:
        self._record.log_refused(why)
        self._close(TunnelOutcome(why.value))  # both tables have these codes
        self._tunnel.abortConnection()

    def drain(self, after_ms: int) -> bool:
        """The proxy is going: nothing new here. Was the device told, and when to come back?

        A tunnel without a right token ends at once, the others when `end_if_idle` finds them so.
        """
        if self._state is not State.OPEN:
            self.stop()
            return False
        if not self._goes_away:
            return False
        self._tunnel.goaway(after_ms)
        return True

    @property
    def is_idle(self) -> bool:
        """No substream is open, and nothing is still on its way to the device."""
        return not self._tunnel.substreams and not self._tunnel.has_more_to_send

    def end_if_idle(self) -> None:
        """End the tunnel unless it is in use."""
        if self.is_idle:
            self.stop()

    def stop(self) -> None:
        """The proxy is going: end the tunnel, its targets with it."""
        self._end(TunnelOutcome.STOPPED)

    @property
    def held_bytes(self) -> int:
        """What waits here, for the device and for its targets."""
        return self._tunnel.held_bytes

    def give_up_unanswered(self, limit_s: float) -> None:
        """End the tunnel if the device's system has not answered what was sent for so long."""
        self._tunnel.give_up_unanswered(limit_s)

    def end_for_memory(self) -> None:
        """Give back what is held, at once: a clean end would wait for who takes nothing."""
        if self._state is not State.CLOSED:
            self._close(TunnelOutcome.ENDED_FOR_MEMORY)
        self._tunnel.abortConnection()

    def replace(self, newer: TunnelRecord) -> None:
        """The device came back over another tunnel: this one leads nowhere, so cut it.

        It gives back its place in the account at once: the newer tunnel is counted next. A device
        that has used all its numbers here needs both tunnels, and keeps this one.
        """
        if self._tunnel.core.peer_is_spent:
            return
        newer.replaces(self._record)
        if self._state is not State.CLOSED:
            self._close(TunnelOutcome.REPLACED)
        self._leave_account()
        self._tunnel.abortConnection(ReplacedError(newer))

    def abort(self) -> None:
        """There was time enough for a clean end."""
        self._tunnel.abortConnection()

    def _end(self, outcome: TunnelOutcome) -> None:
        """Send what is queued, then close."""
        if self._state is not State.CLOSED:
            self._close(outcome)
            self._tunnel.loseConnection()

    def _close(self, outcome: TunnelOutcome) -> None:
        self._outcome = outcome
        self._put_away()

    def _put_away(self) -> None:
        self._move(Input.CLOSE)
        self._stop_waiting()
        self._held.clear()
        if self._checking is not None:
            self._checking.cancel()
        if self._recheck is not None:
            self._recheck.stop()

    def goAwayReceived(self, after_ms: int) -> None:
        """Never told: it is the server's to say."""

    def tunnelLost(self, reason: Failure) -> None:
        if self._state is not State.CLOSED:
            self._put_away()
        self._house.census.all.discard(self)
        self._house.census.unauthenticated.discard(self)
        self._house.census.handshaking.discard(self)
        self._leave_account()
        outcome = self._outcome or self._found_in(reason)
        self._record.log_closed(self._house.clock.seconds(), outcome, self._why(reason))

    def _why(self, reason: Failure) -> str:
        """How the connection ended, for the log."""
        if reason.check(ConnectionClosed):
            if self._outcome is not None:
                return "the proxy closed the tunnel"
            if ended_by_fin(reason, self._tunnel.transport):
                return "the device closed the connection"
        return in_words(reason)

    def _leave_account(self) -> None:
        tally, self._tally = self._tally, None
        if tally is not None:
            tally.tunnels -= 1
        devices = self._house.census.devices
        if self._device is not None and devices.get(self._device) is self:
            del devices[self._device]

    def _found_in(self, reason: Failure) -> TunnelOutcome:
        if reason.check(RemoteError):
            return TunnelOutcome.PROTOCOL_FAULT
        if reason.check(SilentPeerError):
            return TunnelOutcome.SILENT
        if not self._secured:
            return self._found_in_handshake()
        if ended_by_fin(reason, self._tunnel.transport):
            return TunnelOutcome.ENDED
        return TunnelOutcome.LOST

    def _found_in_handshake(self) -> TunnelOutcome:
        below = self._tunnel.transport
        silent = isinstance(below, TLSTransport) and not below.heard
        return TunnelOutcome.NOTHING_SENT if silent else TunnelOutcome.HANDSHAKE_FAILED

    # --- who is this?

    def messageReceived(self, value: Json) -> None:
        self._told(decode_hello(value))

    def _told(self, hello: Hello) -> None:
        match self._state:
            case State.UNAUTHENTICATED:
                self._check(hello)
            case State.CHECKING:
                self._hold(hello, self._flooded)
            case State.OPEN:
                self._tunnel.message(ALREADY_ACCEPTED)
            case State.CLOSED:
                pass
            case _:
                assert_never(self._state)

    def _hold(self, what: _Held, else_: Callable[[], None]) -> None:
        if len(self._held) < MAX_HELD:
            self._held.append(what)
        else:
            else_()

    def _flooded(self) -> None:
        self._turn_away(Refusal.FLOODED)

    def _check(self, hello: Hello) -> None:
        self._move(Input.TOKEN)
        self._stop_waiting()
        self._tunnel.hear_at_most(MAX_BYTES_WHILE_CHECKED)
        # The deadline of a check is the authenticator's own.
        answer = self._checking = Deferred.fromCoroutine(self._tokens.ask(hello.token))
        answer.addCallback(self._answered, hello).addErrback(self._broken)

    def _answered(self, answer: Account | Refusal, hello: Hello) -> None:
        match answer:
            case Account():
                self._accept(hello, answer)
            case Refusal() as why:
                self._refuse(hello, why)
            case _:
                assert_never(answer)

    def _broken(self, failure: Failure) -> None:
        if self._state is State.CLOSED and failure.check(CancelledError):
            return  # by `_put_away`
        self._log.failure(
            "tunnel {tunnel}",
            failure=failure,
            tunnel=self._record.tunnel,
            error=ErrorCode.INTERNAL_ERROR.value,
        )
        self._end(TunnelOutcome.INTERNAL_ERROR)

    def _accept(self, hello: Hello, account: Account) -> None:
        device = Device(account.name, hello.device) if hello.device is not None else None
        if device is not None and (older := self._house.census.devices.get(device)):
            older.replace(self._record)  # first: it may have the place that this one needs
        tally = self._tally = self._house.limits.open_tunnel(account.name)
        if tally is None:
            self._turn_away_for_now(hello, account)
            return
        self._move(Input.RIGHT)
        if device is not None:
            self._device = device
            self._house.census.devices[device] = self
        self._tunnel.hear_at_most(None)
        self._house.census.unauthenticated.discard(self)
        self._record.account = account.name
        self._record.device = hello.device
        if hello.device_faulty:
            self._log.warn("unusable device name", event="bad_device", tunnel=self._record.tunnel)
        self._record.log_authenticated(hello.common)
        config = self._house.config
        self._tunnel.message(encode_answer(Accepted(config.windows.first), hello))
        self._tunnel.enable(hello.common, config.windows, hello.window)
        self._goes_away = features.GOAWAY in hello.common
        if features.PING in hello.common and config.ping_interval_s:
            self._tunnel.keep_alive(config.ping_interval_s, config.ping_timeout_s)
        self._terms = Terms(
            opener=self._house.opener,
            clock=self._house.clock,
            account=account.name,
            tunnel=self._record.tunnel,
            half_close=features.HALFCLOSE in hello.common,
            allowance=Allowance(),
            tally=tally,
            reading=Reading(),
            idle_s=config.substream_idle_s,
        )
        self._check_again(hello, account)
        self._go_on_with_held()

    def _turn_away_for_now(self, hello: Hello, account: Account) -> None:
        self._record.account = account.name
        self._record.log_refused(Refusal.TOO_MANY_TUNNELS_OF_ACCOUNT)
        self._answer_refused(hello, Refusal.TOO_MANY_TUNNELS_OF_ACCOUNT)
        self._end(TunnelOutcome.TOO_MANY_TUNNELS_OF_ACCOUNT)

    def _check_again(self, hello: Hello, account: Account) -> None:
        self._recheck = Recheck(
            authenticator=self._house.authenticator,
            clock=self._house.clock,
            every_s=self._house.config.auth_recheck_s,
            jitter=self._house.jitter,
            token=hello.token or "",  # it was accepted, so there is one
            account=account,
            ended=partial(self._holds_no_longer, hello),
            broken=self._broken,
        )
        self._recheck.start()

    def _holds_no_longer(self, hello: Hello, doubt: Doubt) -> None:
        try_again = doubt is Doubt.UNCONFIRMED
        reason = Reason(doubt.value)
        self._tunnel.message(encode_answer(Refused(reason, try_again), hello))
        self._end(TunnelOutcome(doubt.value))

    def _answer_refused(self, hello: Hello, why: Refusal) -> None:
        if why.reason is not None:
            self._tunnel.message(encode_answer(Refused(why.reason, why.try_again), hello))

    def _refuse(self, hello: Hello, why: Refusal) -> None:
        self._move(Input.WRONG)
        self._failures += 1
        self._record.log_refused(why)
        self._answer_refused(hello, why)
        if self._failures >= MAX_AUTH_FAILURES:
            unchecked, wrong = TunnelOutcome.AUTH_UNAVAILABLE, TunnelOutcome.TOO_MANY_WRONG_TOKENS
            self._end(unchecked if why.try_again else wrong)
        else:
            self._await_token()
            self._tunnel.hear_at_most(MAX_BYTES_WITHOUT_TOKEN)
            self._go_on_with_held()

    def _go_on_with_held(self) -> None:
        while self._held and self._state is not State.CHECKING:
            match self._held.popleft():
                case Hello() as hello:
                    self._told(hello)
                case Substream() as substream:
                    self.substreamOpened(substream)

    # --- what does it want?

    def substreamOpened(self, substream: Substream) -> None:
        match self._state:
            case State.UNAUTHENTICATED:
                self._turn_away(Refusal.NOT_AUTHORIZED)
            case State.CHECKING:
                self._hold(
                    substream,
                    lambda: self._serving.refuse(substream, Outcome.TOO_MANY_SUBSTREAMS),
                )
            case State.OPEN:
                self._serving.serve(substream, self._terms, self._tunnel.substreams_in_use)
            case State.CLOSED:
                pass  # it goes with the tunnel
            case _:
                assert_never(self._state)

    def _turn_away(self, why: Refusal) -> None:
        self._record.log_refused(why)
        self._tunnel.message(NOT_AUTHORIZED)
        self._end(TunnelOutcome.NOT_AUTHORIZED)
