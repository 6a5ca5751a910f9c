"""The token of an open tunnel, asked about again: by itself, and as a session does it."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from streamplex.tx.timers import SharedTimers
from support.proxy_in_memory import KIM, Says, Stage
from tessel_proxy.auth import Account, AuthUnavailableError, Refused
from tessel_proxy.auth.recheck import SHORTEST, Recheck, RecheckRules, TokenLoss


class Rechecked:
    def __init__(self, jitter=1.0, every_s=60.0):
        self.clock = Clock()
        self.says = Says()
        self.doubts, self.bugs = [], []
        self.recheck = Recheck(
            rules=RecheckRules(
                authenticator=self.says,
                timers=SharedTimers(self.clock),
                every_s=every_s,
                first=self.says,
                jitter=lambda: jitter,
            ),
            token="S3CRET",
            account=KIM,
            tunnel=SimpleNamespace(token_lost=self.doubts.append, recheck_failed=self.bugs.append),
        )
        self.recheck.start()


def test_a_token_is_asked_about_again_and_again():
    rechecked = Rechecked()
    for _ in range(3):
        rechecked.clock.advance(60)
    assert rechecked.says.asked == ["S3CRET"] * 3
    assert not rechecked.doubts


def test_the_pauses_differ_so_that_tunnels_do_not_ask_together():
    rechecked = Rechecked(jitter=0.0)
    rechecked.clock.advance(60 * SHORTEST - 0.1)
    assert not rechecked.says.asked
    rechecked.clock.advance(0.1)
    assert rechecked.says.asked


def test_every_0_seconds_is_never():
    rechecked = Rechecked(every_s=0.0)
    assert not rechecked.clock.getDelayedCalls()
    rechecked.recheck.stop()


@pytest.mark.parametrize(
    ("answer", "doubt"),
    [
        (Refused(), TokenLoss.REVOKED),
        (Account("robin"), TokenLoss.REVOKED),
        (AuthUnavailableError("down"), TokenLoss.UNCONFIRMED),
    ],
)
def test_a_token_that_holds_no_longer_is_reported_once(answer, doubt):
    rechecked = Rechecked()
    rechecked.says.answer = answer
    rechecked.clock.advance(60)
    assert rechecked.doubts == [doubt]
    assert not rechecked.clock.getDelayedCalls()


def test_an_authenticators_bug_is_reported():
    rechecked = Rechecked()
    rechecked.says.answer = ZeroDivisionError()
    rechecked.clock.advance(60)
    assert rechecked.bugs[0].check(ZeroDivisionError)


def test_stopped_it_gives_up_the_question_under_way():
    rechecked = Rechecked()
    given_up = []
    rechecked.says.answer = Deferred(given_up.append)
    rechecked.clock.advance(60)
    rechecked.recheck.stop()
    assert (len(given_up), rechecked.doubts, rechecked.bugs) == (1, [], [])


def test_it_does_not_show_the_token():
    stage = Stage(Says(), auth_recheck_s=60)
    stage.say({"token": "S3CRET"})
    assert "S3CRET" not in repr(stage.session._authenticated._recheck)


# --- a session


@pytest.mark.parametrize(
    ("answer", "retry", "outcome"),
    [(Refused(), False, "revoked"), (AuthUnavailableError("down"), True, "unconfirmed")],
)
def test_a_tunnel_whose_token_holds_no_longer_is_reported_and_ended(logged, answer, retry, outcome):
    says = Says()
    stage = Stage(says, auth_recheck_s=60)
    stage.authenticate("retry/1", "reason/1")
    _device, target = stage.relay()
    says.answer = answer
    stage.clock.advance(60)
    stage.pump()
    assert (stage.heard[-1]["authed"], stage.heard[-1]["retry"]) == (False, retry)
    assert stage.heard[-1]["reason"] == outcome
    assert stage.listener.lost is not None
    assert target.aborted
    assert logged.named("tunnel_closed")[0]["outcome"] == outcome
    assert not stage.clock.getDelayedCalls()


def test_an_original_device_is_notified_in_its_own_words():
    says = Says()
    stage = Stage(says, auth_recheck_s=60)
    stage.authenticate()
    says.answer = Refused()
    stage.clock.advance(60)
    stage.pump()
    assert stage.heard == [{"authed": True}, {"authed": False}]


def test_a_tunnel_that_ends_is_asked_about_no_more():
    says = Says()
    stage = Stage(says, auth_recheck_s=60)
    stage.authenticate()
    stage.connection.cut()
    stage.clock.advance(120)
    assert len(says.asked) == 1
