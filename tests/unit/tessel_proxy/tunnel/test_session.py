"""One device's tunnel: who is this, and what may it do?"""

import pytest
from OpenSSL import SSL
from twisted.internet import error
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from streamplex.messages import encode_json
from streamplex.tx.tls import TLSTransport
from support.proxy_in_memory import PUBLIC, TOKEN, LoggedEvents, Stage
from tessel_proxy.auth import Account, AuthMisconfiguredError, AuthUnavailableError, Refused
from tessel_proxy.records.ends import TunnelOutcome
from tessel_proxy.tunnel.admission import (
    MAX_AUTH_FAILURES,
    MAX_BYTES_WHILE_CHECKED,
    MAX_BYTES_WITHOUT_TOKEN,
    MAX_HELD,
)
from tessel_proxy.tunnel.states import TRANSITIONS, SessionInput, SessionState

OURS = [
    "reuse/1",
    "halfclose/1",
    "retry/1",
    "reason/1",
    "device/1",
    "goaway/1",
    "ping/1",
    "credit/1",
    "message/1",
]
NOT_AUTHORIZED = {"error": "Not authorized!"}


class Slow:
    """An authenticator that answers when the test calls it."""

    def __init__(self):
        self.asked = []
        self.cancelled = 0

    def check(self, token):
        answer = Deferred(self._cancel)
        self.asked.append((token, answer))
        return answer

    def _cancel(self, _):
        self.cancelled += 1

    def accept(self):
        self.asked[-1][1].callback(Account("kim"))

    def refuse(self):
        self.asked[-1][1].callback(Refused())


class Says:
    """An authenticator with one answer."""

    def __init__(self, answer):
        self._answer = answer

    def check(self, _token):
        if isinstance(self._answer, Exception):
            return fail(self._answer)
        return succeed(self._answer)


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


@pytest.fixture
def slow():
    return Slow()


def is_cut(stage):
    stage.pump()
    return stage.listener.lost is not None


def outcome(logged):
    (line,) = logged.named("tunnel_closed")
    return line["outcome"]


# --- tokens


def test_a_right_token_opens_the_tunnel_and_each_later_one_is_answered_alike(logged):
    stage = Stage()
    stage.authenticate()
    stage.say({"hello": 1})
    stage.say({"token": "WRONG"})
    assert stage.heard == [{"authed": True}] * 3
    (line,) = logged.named("tunnel_authenticated")
    assert (line["account"], line["device"], line["features"]) == ("hardcoded", None, [])
    assert (line["tunnel"], line["peer"]) == (7, "192.0.2.9:4711")


@pytest.mark.parametrize("said", [{"token": "WRONG"}, {"token": 5}, {"hello": 1}, None, [], "x"])
def test_what_carries_no_right_token_is_a_wrong_one_and_the_next_may_be_right(logged, said):
    stage = Stage()
    stage.say(said)
    stage.authenticate()
    assert stage.heard == [{"authed": False}, {"authed": True}]
    (line,) = logged.named("tunnel_refused")
    assert line["why"] == "wrong token"


def test_after_a_few_wrong_tokens_the_tunnel_is_closed(logged):
    stage = Stage()
    for number in range(MAX_AUTH_FAILURES + 3):
        stage.device.message({"token": f"guess {number}"})
    assert is_cut(stage)
    assert stage.heard == [{"authed": False}] * MAX_AUTH_FAILURES
    assert outcome(logged) == "too_many_wrong_tokens"


def test_a_tunnel_whose_token_can_never_be_checked_is_closed_as_that(logged):
    stage = Stage(Says(AuthUnavailableError("down")))
    for _ in range(MAX_AUTH_FAILURES):
        stage.device.message({"token": TOKEN})
    assert is_cut(stage)
    (line,) = logged.named("tunnel_closed")
    assert (line["outcome"], line["log_level"].name) == ("auth_unavailable", "warn")


def test_tokens_never_appear_in_the_log(logged):
    authenticator = Says(AuthUnavailableError("the service is down"))
    stage = Stage(authenticator)
    stage.say({"token": "S3CRET", "features": ["retry/1"]})
    authenticator._answer = Account("kim")
    stage.say({"token": "S3CRET"})
    stage.connection.cut()
    assert len(logged._events) > 3
    assert "S3CRET" not in repr(logged._events)


# --- features


def test_a_peer_that_offers_features_is_answered_with_ours(logged):
    stage = Stage()
    stage.authenticate("reuse/1", "flow/1", "device/1", device="kitchen")
    assert stage.heard == [{"authed": True, "features": OURS}]
    (line,) = logged.named("tunnel_authenticated")
    assert (line["device"], line["features"]) == ("kitchen", ["device/1", "reuse/1"])
    assert stage.server.core._substreams.own.reuse


def test_without_the_feature_numbers_are_not_used_again():
    stage = Stage()
    stage.authenticate()
    assert not stage.server.core._substreams.own.reuse


def test_an_unusable_device_name_is_logged_and_the_device_let_in(logged):
    stage = Stage()
    stage.authenticate("device/1", device="x" * 65)
    assert stage.heard[0]["authed"]
    assert logged.named("bad_device")
    assert logged.named("tunnel_authenticated")[0]["device"] is None


@pytest.mark.parametrize(
    ("answer", "retry", "reason"),
    [(Refused(), False, "wrong_token"), (AuthUnavailableError("down"), True, "not_checked")],
)
def test_a_refusal_says_truthfully_why_and_whether_to_try_again(answer, retry, reason):
    stage = Stage(Says(answer))
    stage.say({"token": "x", "features": ["retry/1", "reason/1"]})
    assert stage.heard == [{"authed": False, "retry": retry, "reason": reason, "features": OURS}]


@pytest.mark.parametrize(
    ("why", "level"),
    [(AuthUnavailableError("down"), "warn"), (AuthMisconfiguredError("fix it"), "error")],
)
def test_why_a_token_could_not_be_checked_is_logged(logged, why, level):
    stage = Stage(Says(why))
    stage.say({"token": "x"})
    assert stage.heard == [{"authed": False}]
    (line,) = logged.named("auth_unavailable")
    assert line["why"] == str(why)
    assert line["log_level"].name == level


def test_an_authenticators_bug_costs_its_tunnel_alone(logged, logged_failures):
    stage = Stage(Says(ZeroDivisionError()))
    stage.say({"token": "x"})
    assert is_cut(stage)
    assert outcome(logged) == "internal_error"
    assert logged_failures.flush(ZeroDivisionError)


# --- substreams before the answer


def test_a_substream_before_any_token_is_refused_and_cut(logged):
    stage = Stage()
    device = stage.connect()
    assert is_cut(stage)
    assert stage.heard == [NOT_AUTHORIZED]
    assert device.lost
    assert not stage.dials
    assert outcome(logged) == "not_authorized"


def test_token_and_substream_may_come_in_one_write():
    stage = Stage()
    stage.device.message({"token": TOKEN})
    stage.connect()
    assert stage.heard == [{"authed": True}]
    assert len(stage.dials) == 1


def test_substreams_wait_for_the_answer_and_nothing_is_looked_up_before(slow):
    stage = Stage(slow)
    stage.say({"token": "x"})
    device = stage.connect("example.com")
    device.transport.write(b"early")
    stage.pump()
    assert stage.heard == []
    assert not stage.resolver.asked
    slow.accept()
    stage.pump()
    assert stage.heard == [{"authed": True}]
    stage.resolver.answer("example.com", PUBLIC)
    target = stage.dial().stands()
    assert target.value() == b"early"


def test_substreams_that_waited_for_a_refusal_are_refused_and_cut(slow):
    stage = Stage(slow)
    stage.say({"token": "x"})
    stage.connect("example.com")
    slow.refuse()
    assert is_cut(stage)
    assert stage.heard == [{"authed": False}, NOT_AUTHORIZED]
    assert not stage.resolver.asked


def test_what_waits_is_taken_in_its_order(slow):
    stage = Stage(slow)
    stage.say({"token": "wrong"})
    stage.say({"token": "right"})
    stage.connect()
    stage.say({"token": "after"})
    slow.refuse()
    stage.pump()
    assert [token for token, _ in slow.asked] == ["wrong", "right"]
    assert not stage.dials
    slow.accept()
    stage.pump()
    assert stage.heard == [{"authed": False}, {"authed": True}, {"authed": True}]
    assert len(stage.dials) == 1


def test_no_more_than_so_many_substreams_wait(slow, logged):
    stage = Stage(slow)
    stage.say({"token": "x"})
    devices = [stage.open() for _ in range(MAX_HELD + 1)]
    assert devices[-1].events[0][1].startswith("connect EMFILE")
    assert devices[-1].events[-1] == ("close",)
    assert not devices[0].events
    (line,) = logged.named("substream_closed")
    assert (line["outcome"], line["substream"]) == (
        "too_many_substreams",
        devices[-1].transport.channel,
    )
    slow.accept()
    stage.pump()
    assert len(stage.server.substreams) == MAX_HELD


def test_no_more_than_so_many_tokens_wait(slow, logged):
    stage = Stage(slow)
    for _ in range(MAX_HELD + 2):
        stage.device.message({"token": "x"})
    assert is_cut(stage)
    assert slow.cancelled == 1
    assert outcome(logged) == "not_authorized"


def test_what_comes_behind_the_end_is_passed_over():
    stage = Stage()
    stage.device.open("net")
    stage.device.open("net")
    stage.device.message({"token": TOKEN})
    assert is_cut(stage)
    assert stage.heard == [NOT_AUTHORIZED]


def test_a_tunnel_that_goes_takes_its_check_along(slow, logged):
    stage = Stage(slow)
    stage.say({"token": "x"})
    stage.connection.cut()
    assert slow.cancelled == 1
    assert outcome(logged) == "lost"
    assert not stage.clock.getDelayedCalls()


# --- limits


def test_a_tunnel_has_so_many_substreams_and_no_more(logged):
    stage = Stage(max_substreams=2)
    stage.authenticate()
    _, target = stage.relay()
    stage.relay()
    refused = stage.connect()
    assert refused.events[0] == (
        "error",
        "connect EMFILE: too many substreams of this tunnel are open",
    )
    assert refused.events[-1] == ("close",)
    assert logged.named("substream_closed")[0]["outcome"] == "too_many_substreams"
    target.end()
    stage.pump()
    assert stage.relay()


def test_a_handshake_has_a_deadline(logged):
    stage = Stage(handshake_timeout_s=5)
    stage.session._secured = False
    stage.session.tunnelMade(stage.server)
    stage.clock.advance(5)
    assert is_cut(stage)
    assert outcome(logged) == "handshake_timeout"


def test_a_token_has_a_deadline_after_the_handshake(logged):
    stage = Stage(auth_timeout_s=5)
    stage.clock.advance(4.9)
    assert not is_cut(stage)
    stage.clock.advance(0.2)
    assert is_cut(stage)
    assert outcome(logged) == "auth_timeout"
    assert logged.named("tunnel_refused")


def test_the_deadline_starts_anew_after_a_wrong_token_and_ends_with_a_right_one():
    stage = Stage(auth_timeout_s=5)
    stage.clock.advance(4)
    stage.say({"token": "WRONG"})
    stage.clock.advance(4)
    assert not is_cut(stage)
    stage.authenticate()
    stage.clock.advance(100)
    assert not is_cut(stage)


def test_a_check_is_not_cut_by_the_deadline_of_the_token(slow):
    stage = Stage(slow, auth_timeout_s=5)
    stage.say({"token": "x"})
    stage.session.tunnelSecured()
    stage.clock.advance(100)
    slow.accept()
    assert not is_cut(stage)


def test_the_census_knows_who_is_there_and_who_is_without_a_token():
    stage = Stage()
    tunnels = stage.shared.tunnels
    assert tunnels.all == tunnels.unauthenticated == {stage.session}
    stage.authenticate()
    assert tunnels.all == {stage.session}
    assert not tunnels.unauthenticated
    stage.connection.cut()
    assert not tunnels.all


# --- the end


def test_the_closing_line_reports_the_whole_story(logged):
    stage = Stage()
    stage.authenticate("device/1", device="kitchen")
    device, target = stage.relay()
    device.transport.write(b"12345")
    stage.pump()
    target.send(b"123")
    stage.clock.advance(3)
    stage.device.loseConnection()
    stage.pump()
    (line,) = logged.named("tunnel_closed")
    expected = {
        "tunnel": 7,
        "peer": "192.0.2.9:4711",
        "account": "hardcoded",
        "device": "kitchen",
        "substreams": 1,
        "bytes_from_device": 5,
        "bytes_from_target": 3,
        "seconds": 3.0,
        "outcome": "ended",
    }
    assert expected.items() <= line.items()


def test_a_peer_that_breaks_the_protocol_is_named(logged):
    stage = Stage()
    stage.connection.ends[0].write(b"\x00\x00")
    assert is_cut(stage)
    (line,) = logged.named("tunnel_closed")
    assert line["outcome"] == "protocol_fault"
    assert line["log_level"].name == "warn"
    assert line["why"]


@pytest.mark.parametrize(
    ("reason", "secured", "expected"),
    [
        (error.ConnectionDone(), True, "ended"),
        (error.ConnectionLost(), True, "lost"),
        (error.ConnectionLost(), False, "handshake_failed"),
        (error.ConnectionDone(), False, "handshake_failed"),
        (SSL.Error([("SSL routines", "", "no shared cipher")]), False, "handshake_failed"),
        (SSL.Error([("SSL routines", "", "decryption failed")]), True, "lost"),
    ],
)
def test_how_a_tunnel_ended_is_reported(logged, reason, secured, expected):
    stage = Stage()
    stage.session._secured = secured
    stage.session.tunnelLost(Failure(reason))
    assert outcome(logged) == expected


@pytest.mark.parametrize("reason", [error.ConnectionDone(), error.ConnectionLost()])
@pytest.mark.parametrize(
    ("heard", "expected", "level"),
    [(False, "nothing_sent", "debug"), (True, "handshake_failed", "info")],
)
def test_a_peer_that_sent_nothing_has_checked_the_port(logged, reason, heard, expected, level):
    stage = Stage()
    stage.server.transport = under_tls = TLSTransport.__new__(TLSTransport)
    under_tls.heard = heard
    stage.session._secured = False
    stage.session.tunnelLost(Failure(reason))
    (line,) = logged.named("tunnel_closed")
    assert (line["outcome"], line["log_level"].name) == (expected, level)


@pytest.mark.parametrize(
    ("reason", "expected"), [(error.ConnectionLost(), "ended"), (SSL.Error(), "lost")]
)
def test_a_peer_that_ends_without_close_notify_has_ended_but_not_one_that_breaks_tls(
    logged, reason, expected
):
    stage = Stage()
    stage.server.transport = under_tls = TLSTransport.__new__(TLSTransport)
    under_tls.tcp_reason = Failure(error.ConnectionDone())
    stage.session.tunnelLost(Failure(reason))
    assert outcome(logged) == expected


def test_stopped_it_ends_cleanly_and_its_targets_are_reset(logged):
    stage = Stage()
    stage.authenticate()
    _, target = stage.relay()
    stage.session.stop()
    stage.session.stop()
    assert is_cut(stage)
    assert stage.listener.lost.check(error.ConnectionDone)
    assert target.aborted
    assert outcome(logged) == "stopped"


def test_aborted_it_is_gone_at_once():
    stage = Stage()
    stage.session.abort()
    assert stage.connection.ends[1].aborted


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("what", SessionInput)
def test_the_table_has_every_state_and_closed_is_the_end(state, what):
    allowed = TRANSITIONS[state]
    assert (SessionInput.CLOSE in allowed) == (state is not SessionState.CLOSED)
    assert allowed.get(what, SessionState.CLOSED) in SessionState


def test_every_outcome_has_a_word_of_its_own():
    assert len({each.value for each in TunnelOutcome}) == len(TunnelOutcome)


def talk_too_much(stage, allowed=MAX_BYTES_WITHOUT_TOKEN):
    """More bytes than an unauthenticated peer may send, in frames that mean nothing."""
    nothing = encode_json(0, {"type": "x" * 989})
    for _ in range(allowed // 1000 + 2):
        stage.device.transport.write(nothing)
        stage.pump()


@pytest.mark.parametrize("first", [None, {"token": "wrong"}])
def test_an_unauthenticated_peer_that_sends_too_much_is_cut(first):
    stage = Stage(authenticator=Slow())
    with LoggedEvents() as logged:
        if first:
            stage.say(first)
            stage.shared.authenticator.refuse()
        talk_too_much(stage)
    (line,) = logged.named("tunnel_closed")
    assert line["outcome"] == "protocol_fault"


def test_who_talks_too_much_while_its_token_is_checked_is_cut():
    stage = Stage(authenticator=Slow())
    stage.say({"token": "wrong"})
    with LoggedEvents() as logged:
        talk_too_much(stage)
        assert stage.listener.lost is None  # it may open what it will want, and say what for
        talk_too_much(stage, MAX_BYTES_WHILE_CHECKED)
    (line,) = logged.named("tunnel_closed")
    assert line["outcome"] == "protocol_fault"
    assert stage.shared.authenticator.cancelled == 1


def test_whose_token_was_right_may_then_talk_as_it_likes():
    stage = Stage(authenticator=Slow())
    stage.say({"token": TOKEN})
    talk_too_much(stage)
    stage.shared.authenticator.accept()
    stage.pump()
    talk_too_much(stage, MAX_BYTES_WHILE_CHECKED)
    assert stage.relay()


def test_data_that_comes_while_a_token_is_checked_waits_and_costs_no_tunnel():
    stage = Stage(authenticator=Slow())
    stage.say({"token": TOKEN})
    substream = stage.device.open("net")
    substream.write(b"x" * 2 * MAX_BYTES_WHILE_CHECKED)
    stage.pump()
    assert stage.listener.lost is None


def test_an_accepted_device_may_talk_as_it_likes():
    stage = Stage()
    stage.authenticate()
    talk_too_much(stage)
    assert stage.relay()


# --- is the device still there?


def silent_for(stage, seconds):
    stage.connection.ends[0].reading = False
    for _ in range(seconds):
        stage.clock.advance(1)
        stage.pump()


def test_a_device_that_does_not_answer_pings_is_lost(logged):
    stage = Stage(ping_interval_s=10.0, ping_timeout_s=5.0)
    stage.authenticate("ping/1")
    _, target = stage.relay()
    silent_for(stage, 14)
    assert not target.aborted
    silent_for(stage, 1)
    assert target.aborted
    assert outcome(logged) == "silent"


@pytest.mark.parametrize(("features", "interval_s"), [([], 10.0), (["ping/1"], 0.0)])
def test_one_that_does_not_know_them_is_not_asked_nor_where_they_are_off(features, interval_s):
    stage = Stage(ping_interval_s=interval_s)
    stage.authenticate(*features)
    silent_for(stage, 60)
    assert stage.server.transport.connected
