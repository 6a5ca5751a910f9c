"""An invitation is exchanged for a token, with a proxy in memory that may be a hostile one."""

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from support.fake_proxy import ORIGINAL, FakeProxy
from support.memory_tunnels import Plain
from tessel.errors import NodeError
from tessel.network.interface import Target, TlsOptions
from tessel.network.tunneled.joining import (
    ACCEPTED_WITHIN_S,
    ANSWER_TIMEOUT_S,
    Invitation,
    InvitationError,
    JoinedProxy,
    is_accepted,
    join,
)

CODE = "q3c0AbCdEfGhIjKlMnOp-_"
PEM = trustme.CA().cert_pem.bytes().decode()
FINGERPRINT = x509.load_pem_x509_certificate(PEM.encode()).fingerprint(SHA256()).hex()
SHOWN = {"joined": {"authority": PEM}}
JOINED = {"joined": {"account": "kim", "token": "t0ken"}}
PROXY = Target("proxy.example", 443)
TRUSTED = JoinedProxy("proxy.example", 443, "kim", "t0ken", PEM)


class AnsweringProxy(FakeProxy):
    """Gives each connection the next of the answers; None: it says nothing."""

    def __init__(self, *answers):
        super().__init__(Clock())
        self.answers = list(answers)

    def messageReceived(self, value):
        self.answer = self.answers.pop(0)
        super().messageReceived(value)


class Joining:
    """A device that joins by an invitation, or tries its new token."""

    def __init__(self, *answers, authority=FINGERPRINT):
        self.proxy = AnsweringProxy(*answers)
        self.invitation = Invitation("proxy.example", 443, CODE, authority)
        self.results = []

    def join(self):
        return self._outcome(join(self.invitation, self.proxy.dial, self.proxy.clock))

    def try_token(self, seconds=0):
        return self._outcome(is_accepted(TRUSTED, self.proxy.dial, self.proxy.clock), seconds)

    def _outcome(self, running, seconds=0):
        Deferred.fromCoroutine(running).addBoth(self.results.append)
        self.pass_time(0)
        for _ in range(seconds):
            self.pass_time(1)
        return self.results[0] if self.results else None

    def pass_time(self, seconds):
        self.proxy.clock.advance(seconds)
        for _ in range(4):  # an answer leads to the next connection
            self.proxy.pump()

    def error(self, kind=InvitationError):
        failure = self.join()
        assert failure.check(kind), failure
        return str(failure.value)


def test_the_authority_is_compared_before_the_code_is_sent_to_it():
    joining = Joining(SHOWN, JOINED)
    assert joining.join() == TRUSTED
    assert joining.proxy.said == [{"join": {}}, {"join": {"code": CODE}}]
    assert joining.proxy.dials == [
        (PROXY, TlsOptions(reject_unauthorized=False)),
        (PROXY, TlsOptions(ca=(PEM.encode(),))),
    ]
    assert len(joining.proxy.lost) == 2


def test_without_a_fingerprint_the_systems_authorities_decide():
    joining = Joining(JOINED, authority=None)
    assert joining.join() == JoinedProxy("proxy.example", 443, "kim", "t0ken", None)
    assert joining.proxy.dials == [(PROXY, TlsOptions(ca=None))]


@pytest.mark.parametrize("before", ["", "\x1b[2J\nLD_PRELOAD=/x\n"])
def test_only_the_certificate_of_the_fingerprint_is_trusted(before):
    """One between device and proxy knows the authority's certificate, and may add its own."""
    theirs = trustme.CA().cert_pem.bytes().decode()
    joining = Joining({"joined": {"authority": f"{before}{PEM}{theirs}"}}, JOINED)
    assert joining.join().authority == PEM
    assert joining.proxy.dials[1] == (PROXY, TlsOptions(ca=(PEM.encode(),)))


@pytest.mark.parametrize("shown", [None, "", "no PEM", trustme.CA().cert_pem.bytes().decode()])
def test_to_another_proxy_no_code_is_sent(shown):
    joining = Joining({"joined": {"authority": shown}})
    assert "is not the proxy of this invitation" in joining.error()
    assert joining.proxy.said == [{"join": {}}]


@pytest.mark.parametrize("answer", [ORIGINAL, {"authed": False}, {"joined": 7}, JOINED, "\x1b[2J"])
def test_a_proxy_that_shows_no_authority_gets_no_code(answer):
    joining = Joining(answer)
    assert "proxy.example:443 does not know invitations" in joining.error()
    assert joining.proxy.said == [{"join": {}}]


@pytest.mark.parametrize("text", ["a\nLD_PRELOAD=/x", "\x1b]0;a\x07", "x" * 600, "\u2028"])
@pytest.mark.parametrize("field", ["account", "token"])
def test_a_hostile_answer_is_refused_and_not_quoted(field, text):
    joining = Joining(SHOWN, {"joined": JOINED["joined"] | {field: text}})
    assert "the proxy does not know invitations" in joining.error()


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ({"refused": "used", "at": 1_764_480_000}, "already; .* [(]since 2025-11-30 05:20 UTC[)]"),
        ({"refused": "expired"}, "has expired; ask"),
        ({"refused": "\x1b[2J", "at": 10**300}, "cannot accept invitations now"),
    ],
)
def test_a_refusal_says_why_and_since_when(refused, why):
    joining = Joining(SHOWN, {"joined": refused})
    failure = joining.join()
    with pytest.raises(InvitationError, match=why):
        failure.raiseException()


def test_a_proxy_that_does_not_answer_in_time_is_said():
    joining = Joining(None)
    assert joining.join() is None
    joining.pass_time(ANSWER_TIMEOUT_S)
    with pytest.raises(NodeError, match=r"proxy\.example:443 did not answer: ETIMEDOUT"):
        joining.results[0].raiseException()
    assert len(joining.proxy.lost) == 1


def test_a_proxy_that_closes_the_connection_is_said():
    joining = Joining(None)
    joining.join()
    joining.proxy.connections[0].cut()
    with pytest.raises(NodeError, match=r"the proxy closed the connection .*ECONNRESET"):
        joining.results[0].raiseException()


def test_a_proxy_that_cannot_be_reached_is_said():
    joining = Joining()
    joining.proxy.refusal = NodeError("connect ECONNREFUSED", "ECONNREFUSED")
    assert "ECONNREFUSED" in joining.error(NodeError)


def test_the_proxy_cannot_open_substreams_meanwhile():
    joining = Joining(None, JOINED)
    joining.join()
    substream, plain = joining.proxy.tunnels[0].open("net"), Plain()
    substream.attach(plain)
    joining.proxy.pump()
    assert "accepts no substreams" in str(plain.lost.value)
    assert joining.results == []


def test_a_token_is_tried_until_the_proxy_accepts_it():
    joining = Joining({"authed": False}, {"authed": False}, {"authed": True})
    assert joining.try_token(seconds=7) is True
    assert [said["token"] for said in joining.proxy.said] == ["t0ken"] * 3


def test_a_token_that_is_never_accepted_is_not_tried_for_ever():
    joining = Joining(*[{"authed": False}] * 99)
    assert joining.try_token(seconds=int(ACCEPTED_WITHIN_S) + 4) is False
