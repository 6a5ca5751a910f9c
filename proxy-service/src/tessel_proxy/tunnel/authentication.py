"""The time of a tunnel before its token is accepted: timeouts, checks, and what waits for a result.

Messages and substreams that arrive while a token is checked are held in order; the proxy does
nothing for them before the result.
"""

from __future__ import annotations

from typing import Protocol as Interface
from typing import assert_never

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from streamplex.conversation import (
    ALREADY_ACCEPTED,
    NOT_AUTHORIZED,
    Hello,
    JoinAnswer,
    Joined,
    JoinRequest,
    NotJoined,
    decode_hello,
    decode_join,
    encode_answer,
    encode_joined,
)
from streamplex.jsontext import Json
from streamplex.tx import Substream, TunnelProtocol
from tessel_proxy.auth import Account
from tessel_proxy.auth.checking import TokenChecks
from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.records.accounting import TunnelRecord
from tessel_proxy.records.ends import Outcome, Refusal, TunnelOutcome
from tessel_proxy.records.peers import source_of_peer
from tessel_proxy.tunnel.admission import (
    MAX_AUTH_FAILURES,
    MAX_BYTES_WHILE_CHECKED,
    MAX_BYTES_WITHOUT_TOKEN,
    Held,
    HeldQueue,
    answer_refused,
    refuse_substream,
)
from tessel_proxy.tunnel.judging import TurnedAway, judged, no_place
from tessel_proxy.tunnel.membership import Membership
from tessel_proxy.tunnel.shared_state import DeviceKey, SharedState
from tessel_proxy.tunnel.states import SessionInput, SessionState


class AuthenticatedSession(Interface):
    """The session whose token is checked; `Session` implements it and explains the methods."""

    @property
    def state(self) -> SessionState: ...
    def move(self, what: SessionInput) -> None: ...
    def accept(
        self, hello: Hello, account: Account, usage: AccountUsage, device: DeviceKey | None
    ) -> None: ...
    def end(self, outcome: TunnelOutcome) -> None: ...
    def cut(self, outcome: TunnelOutcome) -> None: ...
    def fail(self, failure: Failure) -> None: ...
    def substreamOpened(self, substream: Substream) -> None: ...


class Authentication:
    """Checks the tokens of one tunnel until one is accepted, and holds what comes meanwhile."""

    __slots__ = (
        "_checking",
        "_deadline",
        "_failures",
        "_held",
        "_membership",
        "_record",
        "_session",
        "_shared",
        "_tunnel",
    )

    def __init__(
        self,
        session: AuthenticatedSession,
        shared: SharedState,
        record: TunnelRecord,
        tunnel: TunnelProtocol,
        membership: Membership,
    ) -> None:
        self._session = session
        self._shared = shared
        self._record = record
        self._tunnel = tunnel
        self._membership = membership
        self._failures = 0
        self._held: HeldQueue | None = None
        self._deadline: IDelayedCall | None = None  # of the TLS handshake, or of the token
        self._checking: Deferred[Account | Refusal | TurnedAway] | Deferred[JoinAnswer] | None = (
            None
        )
        tunnel.hear_at_most(MAX_BYTES_WITHOUT_TOKEN)

    # Timeouts.

    def await_handshake(self) -> None:
        """Start the timeout of the TLS handshake."""
        self._set_deadline(self._shared.config.handshake_timeout_s, Refusal.HANDSHAKE_TIMEOUT)

    def handshake_done(self) -> None:
        """Start the timeout of the token, in place of that of the TLS handshake."""
        if self._session.state is SessionState.UNAUTHENTICATED:
            self._await_token()

    def _await_token(self) -> None:
        self._set_deadline(self._shared.config.auth_timeout_s, Refusal.AUTH_TIMEOUT)

    def _set_deadline(self, seconds: float, why: Refusal) -> None:
        self._stop_deadline()
        self._deadline = self._shared.clock.callLater(seconds, self._too_late, why)

    def _stop_deadline(self) -> None:
        call, self._deadline = self._deadline, None
        if call is not None and call.active():
            call.cancel()

    def _too_late(self, why: Refusal) -> None:
        self._record.log_refused(why)
        self._session.cut(TunnelOutcome(why.value))  # both tables have these codes

    def stop(self) -> None:
        """Stop the timeout and the check, and forget what is held: the tunnel ends."""
        self._stop_deadline()
        self._held = None
        if self._checking is not None:
            self._checking.cancel()

    # What the device sends.

    def message_received(self, value: Json) -> None:
        """Check the token of a message, or hold it during another check."""
        request = decode_join(value)
        if request is not None and self._session.state is SessionState.UNAUTHENTICATED:
            self._join(request)
        else:
            self._hello_received(decode_hello(value))

    def _hello_received(self, hello: Hello) -> None:
        match self._session.state:
            case SessionState.UNAUTHENTICATED:
                self._check(hello)
            case SessionState.CHECKING:
                self._hold(hello)
            case SessionState.OPEN:  # it was held, and the token before it was accepted
                self._tunnel.message(ALREADY_ACCEPTED)
            case SessionState.CLOSED:
                pass
            case _:
                assert_never(self._session.state)

    def substream_opened(self, substream: Substream) -> None:
        """Hold a substream during a check, or end the tunnel: no token came before it."""
        if self._session.state is SessionState.CHECKING:
            self._hold(substream)
        else:
            self._turn_away(Refusal.NOT_AUTHORIZED)

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
                refuse_substream(item, self._record, Outcome.TOO_MANY_SUBSTREAMS, now)

    def _go_on_with_held(self) -> None:
        while self._held and self._session.state is not SessionState.CHECKING:
            match self._held.next():
                case Hello() as hello:
                    self._hello_received(hello)
                case Substream() as substream:
                    self._session.substreamOpened(substream)

    def _turn_away(self, why: Refusal) -> None:
        self._record.log_refused(why)
        self._tunnel.message(NOT_AUTHORIZED)
        self._session.end(TunnelOutcome.NOT_AUTHORIZED)

    # The check of a token.

    def _begin(self) -> None:
        self._session.move(SessionInput.TOKEN)
        self._stop_deadline()
        self._tunnel.hear_at_most(MAX_BYTES_WHILE_CHECKED)

    def _check(self, hello: Hello) -> None:
        self._begin()
        source = source_of_peer(self._record.peer)
        tokens = TokenChecks(self._shared, source, self._record.tunnel)
        # The authenticator limits the time of a check itself.
        answer = self._checking = Deferred.fromCoroutine(
            judged(self._shared, tokens, self._membership, self._record, hello)
        )
        answer.addCallback(self._answered, hello).addErrback(self._session.fail)

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

    def _accept(self, hello: Hello, account: Account) -> None:
        device = None if hello.device is None else DeviceKey(account.name, hello.device)
        self._membership.replace_older(device, self._record)
        usage = self._membership.join_account(account.name)
        if usage is None:
            self._turn_owner_away(hello, no_place(account))
            return
        self._session.accept(hello, account, usage, device)
        self._go_on_with_held()

    def _turn_owner_away(self, hello: Hello, turned_away: TurnedAway) -> None:
        self._record.account = turned_away.account.name
        self._record.device = hello.device
        self._record.why = turned_away.said.message
        self._record.log_refused(turned_away.why)
        self._tunnel.message(encode_answer(turned_away.said, hello))
        self._session.end(TunnelOutcome(turned_away.why.value))  # both tables have these codes

    def _refuse(self, hello: Hello, why: Refusal) -> None:
        self._session.move(SessionInput.WRONG)
        self._failures += 1
        self._record.log_refused(why)
        answer_refused(self._tunnel, hello, why)
        if self._failures >= MAX_AUTH_FAILURES:
            unchecked, wrong = TunnelOutcome.AUTH_UNAVAILABLE, TunnelOutcome.TOO_MANY_WRONG_TOKENS
            self._session.end(unchecked if why.try_again else wrong)
        else:
            self._await_token()
            self._tunnel.hear_at_most(MAX_BYTES_WITHOUT_TOKEN)
            self._go_on_with_held()

    # The exchange of an invitation.

    def _join(self, request: JoinRequest) -> None:
        self._begin()
        answering = Deferred.fromCoroutine(self._shared.invitations.answer(request))
        self._checking = answering
        answering.addCallback(self._join_answered).addErrback(self._session.fail)

    def _join_answered(self, answer: JoinAnswer) -> None:
        self._checking = None
        refused = isinstance(answer, NotJoined)
        if refused:
            self._record.log_refused(Refusal.WRONG_INVITATION)
        if isinstance(answer, Joined):
            self._record.account = answer.account
        self._tunnel.message(encode_joined(answer))
        self._session.end(TunnelOutcome.WRONG_INVITATION if refused else TunnelOutcome.JOINED)
