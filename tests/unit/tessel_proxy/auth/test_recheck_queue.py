"""The tokens of many open tunnels, which are checked again together."""

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock, deferLater

from streamplex.tx.timers import SharedTimers
from support.proxy_in_memory import KIM, Says
from tessel_proxy.auth import Account, AuthOverloadedError, AuthUnavailableError, Refused
from tessel_proxy.auth.account_file import line_for
from tessel_proxy.auth.hashing import MAX_WAITING, HashingQueue
from tessel_proxy.auth.local import FileAuthenticator
from tessel_proxy.auth.recheck import Recheck, RecheckRules, TokenLoss
from tessel_proxy.auth.recheck_queue import AT_ONCE, RecheckQueue
from tessel_proxy.auth.scrypt import HashCosts, HashParameters
from tessel_proxy.auth.token_memory import keyed_digest
from tessel_proxy.auth.wrappers import AuthenticatorChain

HASH_S = 0.05
DIGEST = keyed_digest(b"k")


class Slow:
    """An authenticator that answers after some time, and counts what it is asked."""

    def __init__(self, clock, takes_s=1.0):
        self.clock = clock
        self.takes_s = takes_s
        self.asked = []
        self.revoked = set()
        self.running = self.most = 0

    def check(self, token):
        self.asked.append(token)
        self.running += 1
        self.most = max(self.most, self.running)
        return deferLater(self.clock, self.takes_s).addBoth(self._done, token)

    def _done(self, _result, token):
        self.running -= 1
        return Refused() if token in self.revoked else KIM


class Tunnels:
    """Open tunnels, whose tokens are checked by way of one queue."""

    def __init__(self, clock, authenticator, tokens):
        self.clock = clock
        self.queue = RecheckQueue(authenticator, DIGEST, clock)
        self.lost = []
        self.rechecks = [self.recheck(token) for token in tokens]

    def recheck(self, token, account=KIM):
        return Recheck(
            rules=RecheckRules(
                authenticator=self.queue,
                first=self.queue,
                timers=SharedTimers(self.clock),
                every_s=0,
                jitter=lambda: 1.0,
            ),
            token=token,
            account=account,
            tunnel=SimpleNamespace(
                token_lost=lambda why: self.lost.append((token, why)),
                recheck_failed=pytest.fail,
            ),
        )

    def check_all(self):
        for each in self.rechecks:
            each.now()

    def pass_time(self, seconds):
        self.clock.pump([HASH_S] * round(seconds / HASH_S))


@pytest.fixture
def clock():
    return Clock()


def test_a_thousand_tunnels_of_a_thousand_tokens_that_must_be_hashed_do_not_end(clock, tmp_path):
    """As when all lines of the file have another salt. A check may take 10 s, all take 25 s."""
    tokens, file = [f"token {n}" for n in range(1000)], tmp_path / "accounts"
    recipe = HashParameters(b"0123456789abcdef", HashCosts(10, 1, 1))
    file.write_text("\n".join(line_for("kim", token, recipe) for token in tokens[:-1]))
    hashing = HashingQueue(lambda work: deferLater(clock, HASH_S, work))
    by_file = FileAuthenticator(file, hashing, clock, 10.0, DIGEST)
    tunnels = Tunnels(clock, by_file, tokens)
    tunnels.check_all()
    tunnels.pass_time(1000 * HASH_S / 2)
    assert tunnels.lost == [(tokens[-1], TokenLoss.REVOKED)]


def test_some_tokens_are_checked_at_once_and_the_others_in_their_order(clock):
    slow = Slow(clock)
    tunnels = Tunnels(clock, slow, [f"token {n}" for n in range(3 * AT_ONCE)])
    tunnels.check_all()
    tunnels.pass_time(3)
    assert slow.most == AT_ONCE
    assert slow.asked == [f"token {n}" for n in range(3 * AT_ONCE)]


def test_tunnels_of_one_token_share_a_check(clock):
    slow = Slow(clock)
    slow.revoked = {"same"}
    tunnels = Tunnels(clock, slow, [f"token {n}" for n in range(AT_ONCE)] + ["same"] * 20)
    tunnels.check_all()
    tunnels.pass_time(2)
    assert len(slow.asked) == AT_ONCE + 1
    assert tunnels.lost == [("same", TokenLoss.REVOKED)] * 20


def test_a_check_that_began_before_does_not_answer_for_a_later_one(clock):
    slow = Slow(clock)
    tunnels = Tunnels(clock, slow, ["same", "same"])
    tunnels.check_all()
    tunnels.pass_time(0.5)
    tunnels.check_all()  # the answer under way may be of a moment before the revocation
    tunnels.pass_time(0.5)
    slow.revoked = {"same"}
    tunnels.pass_time(1)
    assert tunnels.lost == [("same", TokenLoss.REVOKED)] * 2
    assert len(slow.asked) == 2


def test_thousands_of_quick_answers_behind_slow_ones_are_given_without_recursion(clock):
    slow, quick = Slow(clock), Says()

    class Either:
        def check(self, token):
            return (slow if token.startswith("slow") else quick).check(token)

    tokens = [f"slow {n}" for n in range(AT_ONCE)] + [f"quick {n}" for n in range(3000)]
    tunnels = Tunnels(clock, Either(), tokens)
    tunnels.check_all()
    tunnels.pass_time(1)
    assert (len(quick.asked), tunnels.lost) == (3000, [])


def test_a_tunnel_that_ends_waits_no_more_and_leaves_its_turn_to_others(clock):
    slow = Slow(clock)
    tunnels = Tunnels(clock, slow, [f"token {n}" for n in range(AT_ONCE + 2)])
    tunnels.check_all()
    tunnels.rechecks[0].stop()  # under way: the next one takes its turn
    tunnels.rechecks[-1].stop()  # waits
    tunnels.pass_time(2)
    assert slow.asked == [f"token {n}" for n in range(AT_ONCE + 1)]


def test_a_tunnel_stays_while_the_proxy_is_too_busy_and_is_checked_soon(clock):
    says = Says(AuthOverloadedError("too many tokens wait to be hashed"))
    tunnels = Tunnels(clock, says, ["token"])
    tunnels.check_all()
    assert tunnels.lost == []
    says.answer = Refused()
    tunnels.pass_time(1)
    assert tunnels.lost == [("token", TokenLoss.REVOKED)]


def test_a_full_queue_of_hashes_is_the_proxys_own_overload(clock, tmp_path):
    file = tmp_path / "accounts"
    file.write_text(line_for("alex", "a token of alex's own", HashParameters(b"0123456789abcdef")))
    by_file = FileAuthenticator(file, HashingQueue(lambda _work: Deferred()), clock, 10.0, DIGEST)
    chain = AuthenticatorChain([by_file, Says(AuthUnavailableError("down"))])
    failed = []
    for n in range(MAX_WAITING + 3):
        chain.check(str(n)).addErrback(lambda failure: failed.append(failure.type))
    clock.advance(10)
    assert failed == [AuthOverloadedError] * (MAX_WAITING + 3)


def test_a_failure_of_the_service_still_ends_a_tunnel(clock):
    tunnels = Tunnels(clock, Says(AuthUnavailableError("down")), ["token"])
    tunnels.check_all()
    assert tunnels.lost == [("token", TokenLoss.UNCONFIRMED)]


def test_another_account_of_the_same_token_is_a_loss(clock):
    tunnels = Tunnels(clock, Says(), [])
    tunnels.recheck("token", Account("alex")).now()
    assert tunnels.lost == [("token", TokenLoss.REVOKED)]


def test_a_bug_of_an_authenticator_reaches_the_caller_and_frees_the_turn(clock):
    class Broken:
        def check(self, token):
            return fail(ZeroDivisionError()) if token == "bad" else succeed(KIM)

    queue, got = RecheckQueue(Broken(), DIGEST, clock), []
    for _ in range(AT_ONCE + 1):
        queue.check("bad").addErrback(lambda failure: failure.trap(ZeroDivisionError))
    queue.check("good").addCallback(got.append)
    assert got == [KIM]
