"""Exchange an invitation for the token of this device.

First connection: no check of the certificate; the proxy shows its authority's certificate, and the
invitation's fingerprint decides whether it is the right one. Second connection: verified with that
authority; the device sends the invitation's code and gets its token. The third proves that the
token is accepted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from streamplex import Side
from streamplex.conversation import (
    Accepted,
    AuthorityShown,
    Invitation,
    InvitationError,
    JoinAnswer,
    Joined,
    JoinRequest,
    NotJoined,
    decode_answer,
    decode_joined,
    encode_hello,
    encode_join,
    offer,
    parse_invitation,
)
from streamplex.jsontext import Json
from streamplex.tx import ITunnelListener, Substream, TunnelProtocol
from streamplex.tx.endings import in_words
from tessel.errors import NodeError
from tessel.network.interface import ProtocolFactory, Target, TlsOptions
from tessel.network.limits import within
from tessel.network.tunneled.tunnel import WINDOWS

__all__ = [
    "Invitation",
    "InvitationError",
    "JoinedProxy",
    "is_accepted",
    "join",
    "parse_invitation",
]

ANSWER_TIMEOUT_S: Final = 15.0
"""Seconds for one connection and its answer. The proxy itself waits 10 s for a token service."""

ACCEPTED_WITHIN_S: Final = 30.0
"""Seconds in which the proxy must accept the new token. It reads its file of accounts every 5 s."""

TRY_AGAIN_S: Final = 3.0
"""Seconds between two attempts: the proxy makes those who send a wrong token again wait for 2 s."""

Dial: TypeAlias = Callable[[Target, ProtocolFactory, TlsOptions], Awaitable[IProtocol]]


@dataclass(frozen=True, slots=True)
class JoinedProxy:
    """The settings of a device for the proxy that has accepted its invitation.

    `authority` is the authority's certificate as PEM text; None: the system's authorities.
    """

    host: str
    port: int
    account: str
    token: str = field(repr=False)
    authority: str | None


async def join(invitation: Invitation, dial: Dial, clock: IReactorTime) -> JoinedProxy:
    """Exchange an invitation for a token; return it with what else a device needs.

    Raises InvitationError if the proxy does not accept it, or is another one than the invitation
    says; NodeError if the proxy cannot be reached.
    """
    asking = _Asking(Target(invitation.host, invitation.port), dial, clock)
    authority = None
    if invitation.authority is not None:
        authority = await _authority(asking, invitation.authority)
    tls = TlsOptions(ca=None if authority is None else (authority.encode(),))
    answer = await asking.ask(encode_join(JoinRequest(invitation.code)), tls)
    joined = _joined(decode_joined(answer))
    return JoinedProxy(invitation.host, invitation.port, joined.account, joined.token, authority)


async def is_accepted(proxy: JoinedProxy, dial: Dial, clock: IReactorTime) -> bool:
    """Return whether the proxy accepts the token, within ACCEPTED_WITHIN_S.

    A proxy reads the token of a new invitation from its file some seconds after it was made. Raises
    NodeError if the proxy cannot be reached.
    """
    asking = _Asking(Target(proxy.host, proxy.port), dial, clock)
    tls = TlsOptions(ca=None if proxy.authority is None else (proxy.authority.encode(),))
    hello = offer(proxy.token, None, WINDOWS.first)
    until = clock.seconds() + ACCEPTED_WITHIN_S
    while True:
        answer = decode_answer(await asking.ask(encode_hello(hello), tls))
        if isinstance(answer, Accepted):
            return True
        if clock.seconds() >= until:
            return False
        await deferLater(clock, TRY_AGAIN_S)


async def _authority(asking: _Asking, fingerprint: str) -> str:
    """Return the proxy's authority as PEM text, if it has the fingerprint of the invitation.

    The text is made anew from that certificate: what else the answer holds must not be trusted, as
    nobody has verified who sent it.
    """
    answer = await asking.ask(encode_join(JoinRequest(None)), TlsOptions(reject_unauthorized=False))
    shown = decode_joined(answer)
    if not isinstance(shown, AuthorityShown):
        raise _no_invitations(asking.proxy)
    try:
        found = x509.load_pem_x509_certificate((shown.authority or "").encode())
    except ValueError:
        found = None
    if found is None or found.fingerprint(SHA256()).hex() != fingerprint:
        raise InvitationError(
            f"{asking.proxy} is not the proxy of this invitation, or its authority is a new one: "
            "nothing was sent to it; ask the operator for a new invitation"
        )
    return found.public_bytes(Encoding.PEM).decode()


def _joined(answer: JoinAnswer | None) -> Joined:
    match answer:
        case Joined():
            return answer
        case NotJoined(why, at):
            since = "" if at is None else f" (since {datetime.fromtimestamp(at, UTC):%F %R} UTC)"
            raise InvitationError(f"{why.text}{since}; ask the operator for a new invitation")
        case _:
            raise _no_invitations(None)


def _no_invitations(proxy: Target | None) -> InvitationError:
    which = "the proxy" if proxy is None else f"{proxy}"
    return InvitationError(
        f"{which} does not know invitations, or its answer is malformed: is it of an older version?"
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    """Sends one message to the proxy over a connection of its own, and waits for one."""

    proxy: Target
    dial: Dial
    clock: IReactorTime

    async def ask(self, message: Json, tls: TlsOptions) -> Json:
        """Return the proxy's first message. Raises NodeError."""
        listener = _OneAnswer(message)
        late = NodeError(f"{self.proxy} did not answer: ETIMEDOUT", "ETIMEDOUT")
        try:
            return await within(
                ANSWER_TIMEOUT_S, self.clock, Deferred.fromCoroutine(self._ask(listener, tls)), late
            )
        finally:
            listener.close()

    async def _ask(self, listener: _OneAnswer, tls: TlsOptions) -> Json:
        await self.dial(self.proxy, lambda: TunnelProtocol(Side.B, listener, self.clock), tls)
        return await listener.answer


@implementer(ITunnelListener)
class _OneAnswer:
    """The listener of a tunnel that carries one message each way."""

    def __init__(self, message: Json) -> None:
        self._message = message
        self._tunnel: TunnelProtocol | None = None
        self.answer: Deferred[Json] = Deferred()

    def close(self) -> None:
        """Close the tunnel, if it is open."""
        if self._tunnel is not None:
            self._tunnel.loseConnection()

    def tunnelMade(self, tunnel: TunnelProtocol) -> None:
        """Called when the connection is established: sends the message."""
        self._tunnel = tunnel
        tunnel.message(self._message)

    def tunnelSecured(self) -> None:
        """Do nothing: `tunnelMade` is called after the handshake."""

    def messageReceived(self, value: Json) -> None:
        """Called with a message: the first is the answer."""
        if not self.answer.called:
            self.answer.callback(value)

    def substreamOpened(self, substream: Substream) -> None:
        """Called when the proxy opens a substream: fail it."""
        substream.fail("this device accepts no substreams")
        substream.release()

    def goAwayReceived(self, after_ms: int) -> None:
        """Ignore it: the tunnel ends after one answer."""

    def tunnelLost(self, reason: Failure) -> None:
        """Called when the connection is lost."""
        self._tunnel = None
        if not self.answer.called:
            why = f"the proxy closed the connection ({in_words(reason)}): ECONNRESET"
            self.answer.errback(NodeError(why, "ECONNRESET"))
