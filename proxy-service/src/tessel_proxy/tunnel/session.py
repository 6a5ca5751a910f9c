"""One device's tunnel on the proxy: first its token is checked, then each substream is served.

The states are in a table (states.py). Until a token is accepted, `Authentication` takes what the
device sends; from then on `AuthenticatedTunnel` does. The session knows how the tunnel ends.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex.conversation import ALREADY_ACCEPTED, Hello, Reason, Refused
from streamplex.jsontext import Json
from streamplex.tx import ITunnelListener, Substream, TunnelProtocol
from streamplex.tx.tcp import probe_peer, tcp_below
from tessel_proxy.auth import Account
from tessel_proxy.auth.recheck import TokenLoss
from tessel_proxy.limits.accounts import AccountUsage
from tessel_proxy.records import log_lines
from tessel_proxy.records.accounting import MovedError, ReplacedError, TunnelRecord
from tessel_proxy.records.ends import TunnelOutcome
from tessel_proxy.tunnel.authenticated import AuthenticatedTunnel
from tessel_proxy.tunnel.authentication import Authentication
from tessel_proxy.tunnel.endings import in_log_words, outcome_of, tls_facts, was_resumed
from tessel_proxy.tunnel.membership import Membership
from tessel_proxy.tunnel.shared_state import DeviceKey, SharedState
from tessel_proxy.tunnel.states import TRANSITIONS, SessionInput, SessionState, stage_of


@implementer(ITunnelListener)
class Session:
    """The listener of one tunnel: checks its token and serves its substreams."""

    # Proxies hold thousands of sessions: what only the check of a token needs ends with it.
    __slots__ = (
        "_authenticated",
        "_authentication",
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
        self._secured = False
        self._authentication: Authentication | None = None  # until a token is accepted
        self._authenticated: AuthenticatedTunnel | None = None  # from then on
        self._outcome: TunnelOutcome | None = None  # set if the proxy ends the tunnel
        self._membership = Membership(shared, self)

    # ITunnelListener.

    def tunnelMade(self, tunnel: TunnelProtocol) -> None:
        """Called when the connection opens: starts the timeout of the TLS handshake."""
        self._tunnel = tunnel
        if (connection := tcp_below(tunnel.transport)) is not None:
            # A device without power sends nothing, and not every device answers pings.
            probe_peer(connection.getHandle(), self._shared.config.keep_alive)
        self._authentication = Authentication(
            self, self._shared, self._record, tunnel, self._membership
        )
        self._authentication.await_handshake()

    def tunnelSecured(self) -> None:
        """Called after the TLS handshake: starts the timeout of the token."""
        self._secured = True
        resumed = was_resumed(self._tunnel.transport)
        self._record.secured(self._shared.clock.seconds(), resumed=resumed)
        self._membership.handshake_done()
        if self._authentication is not None:
            self._authentication.handshake_done()

    def messageReceived(self, value: Json) -> None:
        """Called with a device's message: its token, unless one was accepted already."""
        if self._authentication is not None:
            self._authentication.message_received(value)
        elif self._state is SessionState.OPEN:
            self._tunnel.message(ALREADY_ACCEPTED)

    def substreamOpened(self, substream: Substream) -> None:
        """Called when the device opens a substream: serves it if the token was accepted."""
        if self._state is SessionState.OPEN:
            self._authenticated.serve(substream)  # type: ignore[union-attr]  # it is set
        elif self._authentication is not None:
            self._authentication.substream_opened(substream)

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

    # The token.

    @property
    def state(self) -> SessionState:
        """The state of the session, from an unauthenticated peer to a closed tunnel."""
        return self._state

    def move(self, what: SessionInput) -> None:
        """Change the state as the table says. Raises KeyError if the table does not allow it."""
        self._state = TRANSITIONS[self._state][what]

    def accept(
        self, hello: Hello, account: Account, usage: AccountUsage, device: DeviceKey | None
    ) -> None:
        """Open the tunnel for `account`: its token was accepted, and it is counted in `usage`.

        `device` None: the device has no name.
        """
        self.move(SessionInput.RIGHT)
        self._authentication = None
        self._membership.authenticated(device)
        self._tunnel.hear_at_most(None)
        self._authenticated = AuthenticatedTunnel(
            self._shared, self._record, self._tunnel, hello=hello, account=account, usage=usage
        )
        self._authenticated.start(self, hello, account)

    @property
    def _opened(self) -> AuthenticatedTunnel | None:
        return self._authenticated if self._state is SessionState.OPEN else None

    def check_again(self) -> None:
        """Check the token now, if the tunnel is open."""
        if (opened := self._opened) is not None:
            opened.check_again()

    def check_in_turn(self) -> None:
        """Check the token after those of other tunnels that wait, if the tunnel is open."""
        if (opened := self._opened) is not None:
            opened.check_in_turn()

    def token_lost(self, why: TokenLoss) -> None:
        """Called when a check finds that the token is no longer valid, or cannot be confirmed."""
        try_again = why is TokenLoss.UNCONFIRMED
        self.dismiss(Refused(Reason(why.value), try_again), TunnelOutcome(why.value))

    def recheck_failed(self, failure: Failure) -> None:
        """Called when a check of the token of the open tunnel raised an unexpected error."""
        self.fail(failure)

    # The end of the tunnel.

    def drain(self, after_ms: int) -> bool:
        """Ask the device to return after `after_ms`, or end the tunnel if it has no token.

        Return whether the device was asked: it was not without goaway/1.
        """
        if self._opened is None:
            self.stop()
        return self.ask_to_move(after_ms)

    def ask_to_move(self, after_ms: int) -> bool:
        """Ask the device to reconnect after `after_ms`, elsewhere if it can.

        Return whether it was asked. Nothing ends if it was not.
        """
        opened = self._opened
        return opened is not None and opened.ask_to_leave(after_ms)

    def end_if_idle(self) -> None:
        """End the tunnel if it is idle."""
        if self.is_idle:
            self.stop()

    def stop(self) -> None:
        """Close the tunnel and its connections to targets, after queued data: the proxy stops."""
        self.end(TunnelOutcome.STOPPED)

    def give_up_unanswered(self, limit_s: float) -> None:
        """Close the tunnel if sent data was not acknowledged by TCP for `limit_s` seconds."""
        self._tunnel.give_up_unanswered(limit_s)

    def end_for_memory(self) -> None:
        """Cut the tunnel to free its memory; a clean end would wait for the device."""
        self.cut(TunnelOutcome.ENDED_FOR_MEMORY)

    def replace(self, newer: TunnelRecord) -> None:
        """Cut this tunnel for `newer`, unless its numbers are used up: both are needed then."""
        if self._tunnel.core.peer_is_spent:
            return
        newer.replaces(self._record)
        self._make_way(ReplacedError(newer))

    def move_away(self, member: str) -> None:
        """Cut this tunnel, because its device has a newer one on another process.

        `member` is the name of that process. As in `replace`, both are needed if the numbers of
        this tunnel are used up.
        """
        if not self._tunnel.core.peer_is_spent and self._state is not SessionState.CLOSED:
            self._make_way(MovedError(member))

    def _make_way(self, why: ReplacedError) -> None:
        if self._state is not SessionState.CLOSED:
            self._close(TunnelOutcome.REPLACED)
        self._membership.leave_account()  # now: the newer tunnel is counted next
        self._tunnel.abortConnection(why)

    def dismiss(self, said: Refused, outcome: TunnelOutcome) -> None:
        """End the tunnel; a device whose token was accepted gets the reason."""
        if self._state is SessionState.CLOSED:
            return
        if (opened := self._opened) is not None:
            opened.send_reason(said)
        self._record.why = said.message
        self.end(outcome)

    def abort(self) -> None:
        """Cut the tunnel at once; queued data is lost."""
        self._tunnel.abortConnection()

    def end(self, outcome: TunnelOutcome) -> None:
        """Close the tunnel after the queued data."""
        if self._state is not SessionState.CLOSED:
            self._close(outcome)
            self._tunnel.loseConnection()  # sends the queued data first

    def cut(self, outcome: TunnelOutcome) -> None:
        """Close the tunnel at once; queued data is lost."""
        if self._state is not SessionState.CLOSED:
            self._close(outcome)
        self._tunnel.abortConnection()

    def fail(self, failure: Failure) -> None:
        """Log an unexpected error, and close the tunnel after the queued data."""
        if self._state is SessionState.CLOSED and failure.check(CancelledError):
            return  # a check that the end of the tunnel has cancelled
        log_lines.tunnel_failed(self._record, failure)
        self.end(TunnelOutcome.INTERNAL_ERROR)

    def _close(self, outcome: TunnelOutcome) -> None:
        self._outcome = outcome
        self._put_away()

    def _put_away(self) -> None:
        self.move(SessionInput.CLOSE)
        self._membership.closing()
        authentication, self._authentication = self._authentication, None
        if authentication is not None:
            authentication.stop()
        if self._authenticated is not None:
            self._authenticated.stop()

    # What others see of the tunnel.

    @property
    def is_idle(self) -> bool:
        """Whether no substream is open and no data waits to be sent to the device."""
        return not self._tunnel.substreams and not self._tunnel.has_more_to_send

    @property
    def held_bytes(self) -> int:
        """Bytes that wait in the tunnel to be sent to the device or to targets."""
        return self._tunnel.held_bytes

    @property
    def peer(self) -> str:
        """The device's address, as HOST:PORT."""
        return self._record.peer

    @property
    def record(self) -> TunnelRecord:
        """The facts about this tunnel, which are counted while it is open."""
        return self._record

    @property
    def owner(self) -> DeviceKey | None:
        """The account of the tunnel and the device's name ("": it has none).

        None while no token is accepted.
        """
        if self._authenticated is None or self._record.account is None:
            return None
        return DeviceKey(self._record.account, self._record.device or "")

    @property
    def age_s(self) -> float:
        """Seconds since the device connected."""
        return self._shared.clock.seconds() - self._record.started_at

    @property
    def stage(self) -> str:
        """The state in the operator's words: handshake, closing, or the SessionState's name."""
        return stage_of(self._state, secured=self._secured)

    @property
    def tls(self) -> tuple[str, str] | None:
        """The TLS version and cipher; None before the handshake is complete."""
        return tls_facts(self._tunnel.transport) if self._secured else None
