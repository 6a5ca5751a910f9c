"""One device's tunnel on the proxy: first its token is checked, then each substream is served.

The states are in a table (states.py). Messages and substreams that arrive while a token is checked
are held in order; the proxy does nothing for them before the result.
"""

from __future__ import annotations

from typing import assert_never

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.conversation import (
    ALREADY_ACCEPTED,
    NOT_AUTHORIZED,
    Hello,
    JoinAnswer,
    Joined,
    JoinRequest,
    NotJoined,
    Reason,
    Refused,
    decode_hello,
    decode_join,
    encode_answer,
    encode_joined,
)
from streamplex.jsontext import Json
from streamplex.tx import ITunnelListener, Substream, TunnelProtocol
from streamplex.tx.tcp import probe_peer, tcp_below
from tessel_proxy.auth import Account
from tessel_proxy.auth.checking import TokenChecks
from tessel_proxy.auth.recheck import TokenLoss
from tessel_proxy.records import log_lines
from tessel_proxy.records.accounting import MovedError, ReplacedError, TunnelRecord
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.peers import source_of_peer
from tessel_proxy.tunnel.admission import (
    MAX_AUTH_FAILURES,
    MAX_BYTES_WHILE_CHECKED,
    MAX_BYTES_WITHOUT_TOKEN,
    Held,
    HeldQueue,
    answer_refused,
)
from tessel_proxy.tunnel.authenticated import AuthenticatedTunnel
from tessel_proxy.tunnel.endings import in_log_words, outcome_of, tls_facts, was_resumed
from tessel_proxy.tunnel.judging import TurnedAway, judged, no_place
from tessel_proxy.tunnel.membership import Membership
from tessel_proxy.tunnel.serving import refuse
from tessel_proxy.tunnel.shared_state import DeviceKey, SharedState
from tessel_proxy.tunnel.states import TRANSITIONS, SessionInput, SessionState


@implementer(ITunnelListener)
class Session:
    """The listener of one tunnel: checks its token and serves its substreams."""

    # Proxies hold thousands of sessions: what only the check of a token needs is made for it.
    __slots__ = (
        "_authenticated",
        "_checking",
        "_deadline",
        "_failures",
        "_held",
        "_membership",
        "_outcome",
        "_record",
        "_secured",
        "_shared",
        "_state",
        "_tunnel",
    )

    _tunnel: TunnelProtocol  # set by tunnelMade

    def __init__(self, shared: SharedState, record: TunnelRecord) -> None:
        self._shared = shared
        self._record = record
        self._state = SessionState.UNAUTHENTICATED
        self._failures = 0
        self._held: HeldQueue | None = None
        self._secured = False
        self._deadline: IDelayedCall | None = None  # of the TLS handshake, or of the token
        self._checking: Deferred[Account | Refusal | TurnedAway] | Deferred[JoinAnswer] | None = (
            None
        )
        self._authenticated: AuthenticatedTunnel | None = None
        self._outcome: TunnelOutcome | None = None  # set if the proxy ends the tunnel
        self._membership = Membership(shared, self)

    def _move(self, what: SessionInput) -> None:
        self._state = TRANSITIONS[self._state][what]

    def tunnelMade(self, tunnel: TunnelProtocol) -> None:
        """Called when the connection opens: starts the timeout of the TLS handshake."""
        self._tunnel = tunnel
        tunnel.hear_at_most(MAX_BYTES_WITHOUT_TOKEN)
        if (connection := tcp_below(tunnel.transport)) is not None:
            # A device without power sends nothing, and not every device answers pings.
            probe_peer(connection.getHandle(), self._shared.config.keep_alive)
        timeout_s = self._shared.config.handshake_timeout_s
        self._set_deadline(timeout_s, Refusal.HANDSHAKE_TIMEOUT)

    def tunnelSecured(self) -> None:
        """Called after the TLS handshake: starts the timeout of the token."""
        self._secured = True
        resumed = was_resumed(self._tunnel.transport)
        self._record.secured(self._shared.clock.seconds(), resumed=resumed)
        self._membership.handshake_done()
        if self._state is SessionState.UNAUTHENTICATED:
            self._await_token()

    def _await_token(self) -> None:
        self._set_deadline(self._shared.config.auth_timeout_s, Refusal.AUTH_TIMEOUT)

    def _set_deadline(self, seconds: float, why: Refusal) -> None:
        """Refuse the tunnel for `why` after `seconds`; replaces the deadline before."""
        self._stop_deadline()
        self._deadline = self._shared.clock.callLater(seconds, self._too_late, why)

    def _stop_deadline(self) -> None:
        call, self._deadline = self._deadline, None
        if call is not None and call.active():
            call.cancel()

    def _too_late(self, why: Refusal) -> None:
        self._record.log_refused(why)
        self._close(TunnelOutcome(why.value))  # both tables have these codes
        self._tunnel.abortConnection()

    def drain(self, after_ms: int) -> bool:
        """Ask the device to return after `after_ms`, or end the tunnel if it has no token.
        Return whether the device was asked: it was not without goaway/1.
        """
        if self._authenticated is None or self._state is not SessionState.OPEN:
            self.stop()
            return False
        return self._authenticated.ask_to_leave(after_ms)

    def ask_to_move(self, after_ms: int) -> bool:
        """Ask the device to reconnect after `after_ms`, elsewhere if it can; return whether it was
        asked. Nothing ends if it was not.
        """
        if self._authenticated is None or self._state is not SessionState.OPEN:
            return False
        return self._authenticated.ask_to_leave(after_ms)

    @property
    def is_idle(self) -> bool:
        """Whether no substream is open and no data waits to be sent to the device."""
        return not self._tunnel.substreams and not self._tunnel.has_more_to_send

    def end_if_idle(self) -> None:
        """End the tunnel if it is idle."""
        if self.is_idle:
            self.stop()

    def stop(self) -> None:
        """Close the tunnel and its connections to targets, after queued data: the proxy stops."""
        self._end(TunnelOutcome.STOPPED)

    @property
    def held_bytes(self) -> int:
        """Bytes that wait in the tunnel to be sent to the device or to targets."""
        return self._tunnel.held_bytes

    def give_up_unanswered(self, limit_s: float) -> None:
        """Close the tunnel if sent data was not acknowledged by TCP for `limit_s` seconds."""
        self._tunnel.give_up_unanswered(limit_s)

    def end_for_memory(self) -> None:
        """Cut the tunnel to free its memory; a clean end would wait for the device."""
        if self._state is not SessionState.CLOSED:
            self._close(TunnelOutcome.ENDED_FOR_MEMORY)
        self._tunnel.abortConnection()

    def replace(self, newer: TunnelRecord) -> None:
        """Cut this tunnel for `newer`, unless its numbers are used up: both are needed then."""
        if self._tunnel.core.peer_is_spent:
            return
        newer.replaces(self._record)
        if self._state is not SessionState.CLOSED:
            self._close(TunnelOutcome.REPLACED)
        self._membership.leave_account()  # now: the newer tunnel is counted next
        self._tunnel.abortConnection(ReplacedError(newer))

    def move_away(self, member: str) -> None:
        """Cut this tunnel, because its device has a newer one on another process.

        `member` is the name of that process. As in `replace`, both are needed if the numbers of
        this tunnel are used up.
        """
        if self._tunnel.core.peer_is_spent or self._state is SessionState.CLOSED:
            return
        self._close(TunnelOutcome.REPLACED)
        self._membership.leave_account()
        self._tunnel.abortConnection(MovedError(member))

    @property
    def owner(self) -> DeviceKey | None:
        """The account of the tunnel and the device's name (""; it has none).

        None while no token is accepted.
        """
        if self._authenticated is None or self._record.account is None:
            return None
        return DeviceKey(self._record.account, self._record.device or "")

    @property
    def age_s(self) -> float:
        """Seconds since the device connected."""
        return self._shared.clock.seconds() - self._record.started_at

    def check_again(self) -> None:
        """Check the token now, if the tunnel is open."""
        if self._authenticated is not None and self._state is SessionState.OPEN:
            self._authenticated.check_again()

    def check_in_turn(self) -> None:
        """Check the token after those of other tunnels that wait, if the tunnel is open."""
        if self._authenticated is not None and self._state is SessionState.OPEN:
            self._authenticated.check_in_turn()

    @property
    def peer(self) -> str:
        """The device's address, as HOST:PORT."""
        return self._record.peer

    @property
    def record(self) -> TunnelRecord:
        """The facts about this tunnel, which are counted while it is open."""
        return self._record

    @property
    def stage(self) -> str:
        """The state in the operator's words: handshake, closing, or the SessionState's name."""
        match self._state:
            case SessionState.OPEN:  # first: each watched second asks every tunnel
                return "open"
            case SessionState.UNAUTHENTICATED if not self._secured:
                return "handshake"
            case SessionState.CLOSED:
                return "closing"
            case _:
                return self._state.name.lower()

    @property
    def tls(self) -> tuple[str, str] | None:
        """The TLS version and cipher; None before the handshake is complete."""
        return tls_facts(self._tunnel.transport) if self._secured else None

    def dismiss(self, said: Refused, outcome: TunnelOutcome) -> None:
        """End the tunnel; a device whose token was accepted is told why."""
        if self._state is SessionState.CLOSED:
            return
        if self._authenticated is not None and self._state is SessionState.OPEN:
            self._authenticated.tell(said)
        self._record.why = said.message
        self._end(outcome)

    def abort(self) -> None:
        """Cut the tunnel at once; queued data is lost."""
        self._tunnel.abortConnection()

    def _end(self, outcome: TunnelOutcome) -> None:
        if self._state is not SessionState.CLOSED:
            self._close(outcome)
            self._tunnel.loseConnection()  # sends the queued data first

    def _close(self, outcome: TunnelOutcome) -> None:
        self._outcome = outcome
        self._put_away()

    def _put_away(self) -> None:
        self._move(SessionInput.CLOSE)
        self._membership.closing()
        self._stop_deadline()
        self._held = None
        if self._checking is not None:
            self._checking.cancel()
        if self._authenticated is not None:
            self._authenticated.stop()

    def goAwayReceived(self, after_ms: int) -> None:
        """Ignore goaway/1 from a device: only servers may send it."""

    def tunnelLost(self, reason: Failure) -> None:
        """Called when the connection is lost: frees the tunnel's resources and logs its end."""
        if self._state is not SessionState.CLOSED:
            self._put_away()
        self._membership.leave()
        transport = self._tunnel.transport
        outcome = self._outcome or outcome_of(reason, transport, secured=self._secured)
        why = in_log_words(reason, transport, by_proxy=self._outcome is not None)
        self._record.log_closed(self._shared.clock.seconds(), outcome, why)

    def messageReceived(self, value: Json) -> None:
        """Called with a device's message: checks its token, or holds it during another check."""
        request = decode_join(value)
        if request is not None and self._state is SessionState.UNAUTHENTICATED:
            self._join(request)
        else:
            self._hello_received(decode_hello(value))

    def _join(self, request: JoinRequest) -> None:
        self._move(SessionInput.TOKEN)
        self._stop_deadline()
        self._tunnel.hear_at_most(MAX_BYTES_WHILE_CHECKED)
        answering = Deferred.fromCoroutine(self._shared.invitations.answer(request))
        self._checking = answering
        answering.addCallback(self._join_answered).addErrback(self._broken)

    def _join_answered(self, answer: JoinAnswer) -> None:
        self._checking = None
        refused = isinstance(answer, NotJoined)
        if refused:
            self._record.log_refused(Refusal.WRONG_INVITATION)
        if isinstance(answer, Joined):
            self._record.account = answer.account
        self._tunnel.message(encode_joined(answer))
        self._end(TunnelOutcome.WRONG_INVITATION if refused else TunnelOutcome.JOINED)

    def _hello_received(self, hello: Hello) -> None:
        match self._state:
            case SessionState.UNAUTHENTICATED:
                self._check(hello)
            case SessionState.CHECKING:
                self._hold(hello)
            case SessionState.OPEN:
                self._tunnel.message(ALREADY_ACCEPTED)
            case SessionState.CLOSED:
                pass
            case _:
                assert_never(self._state)

    def _hold(self, item: Held) -> None:
        if self._held is None:
            self._held = HeldQueue()
        if self._held.hold(item):
            return
        match item:
            case Hello():
                self._turn_away(Refusal.FLOODED)
            case Substream():
                now = self._shared.clock.seconds()
                refuse(item, self._record, Outcome.TOO_MANY_SUBSTREAMS, now)

    def _check(self, hello: Hello) -> None:
        self._move(SessionInput.TOKEN)
        self._stop_deadline()
        self._tunnel.hear_at_most(MAX_BYTES_WHILE_CHECKED)
        source = source_of_peer(self._record.peer)
        tokens = TokenChecks(self._shared, source, self._record.tunnel)
        # The authenticator limits the time of a check itself.
        answer = self._checking = Deferred.fromCoroutine(
            judged(self._shared, tokens, self._membership, self._record, hello)
        )
        answer.addCallback(self._answered, hello).addErrback(self._broken)

    def _answered(self, answer: Account | Refusal | TurnedAway, hello: Hello) -> None:
        self._checking = None
        match answer:
            case Account():
                self._accept(hello, answer)
            case TurnedAway() as turned_away:
                self._turn_owner_away(hello, turned_away)
            case Refusal() as why:
                self._refuse(hello, why)
            case _:
                assert_never(answer)

    def _broken(self, failure: Failure) -> None:
        if self._state is SessionState.CLOSED and failure.check(CancelledError):
            return  # cancelled by `_put_away`
        log_lines.tunnel_failed(self._record, failure)
        self._end(TunnelOutcome.INTERNAL_ERROR)

    def _accept(self, hello: Hello, account: Account) -> None:
        device = None if hello.device is None else DeviceKey(account.name, hello.device)
        self._membership.replace_older(device, self._record)
        usage = self._membership.join_account(account.name)
        if usage is None:
            self._turn_owner_away(hello, no_place(account))
            return
        self._move(SessionInput.RIGHT)
        self._membership.authenticated(device)
        self._tunnel.hear_at_most(None)
        self._authenticated = AuthenticatedTunnel(
            self._shared, self._record, self._tunnel, hello=hello, account=account, usage=usage
        )
        self._authenticated.start(self)
        self._go_on_with_held()

    def _turn_owner_away(self, hello: Hello, turned_away: TurnedAway) -> None:
        self._record.account = turned_away.account.name
        self._record.device = hello.device
        self._record.why = turned_away.said.message
        self._record.log_refused(turned_away.why)
        self._tunnel.message(encode_answer(turned_away.said, hello))
        self._end(TunnelOutcome(turned_away.why.value))  # both tables have these codes

    def token_lost(self, why: TokenLoss) -> None:
        """Called when a check finds that the token is no longer valid, or cannot be confirmed."""
        try_again = why is TokenLoss.UNCONFIRMED
        self.dismiss(Refused(Reason(why.value), try_again), TunnelOutcome(why.value))

    def recheck_failed(self, failure: Failure) -> None:
        """Called when a check of the token of the open tunnel raised an unexpected error."""
        self._broken(failure)

    def _refuse(self, hello: Hello, why: Refusal) -> None:
        self._move(SessionInput.WRONG)
        self._failures += 1
        self._record.log_refused(why)
        answer_refused(self._tunnel, hello, why)
        if self._failures >= MAX_AUTH_FAILURES:
            unchecked, wrong = TunnelOutcome.AUTH_UNAVAILABLE, TunnelOutcome.TOO_MANY_WRONG_TOKENS
            self._end(unchecked if why.try_again else wrong)
        else:
            self._await_token()
            self._tunnel.hear_at_most(MAX_BYTES_WITHOUT_TOKEN)
            self._go_on_with_held()

    def _go_on_with_held(self) -> None:
        while self._held and self._state is not SessionState.CHECKING:
            match self._held.next():
                case Hello() as hello:
                    self._hello_received(hello)
                case Substream() as substream:
                    self.substreamOpened(substream)

    def substreamOpened(self, substream: Substream) -> None:
        """Called when the device opens a substream: serves, holds or refuses it, by the state."""
        match self._state:
            case SessionState.OPEN:
                self._authenticated.serve(substream)  # type: ignore[union-attr]  # it is set
            case SessionState.UNAUTHENTICATED:
                self._turn_away(Refusal.NOT_AUTHORIZED)
            case SessionState.CHECKING:
                self._hold(substream)
            case SessionState.CLOSED:
                pass  # it ends with the tunnel
            case _:
                assert_never(self._state)

    def _turn_away(self, why: Refusal) -> None:
        self._record.log_refused(why)
        self._tunnel.message(NOT_AUTHORIZED)
        self._end(TunnelOutcome.NOT_AUTHORIZED)
