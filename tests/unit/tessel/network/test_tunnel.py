"""The tunnel's life: one attempt for all, the token, idle time, back-off, and its ends."""

import pytest
import trustme
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone

from streamplex import ChannelsExhaustedError
from support.fake_proxy import ORIGINAL, OURS, Device
from support.memory_tunnels import Aware, HalfCloseable, Plain
from tessel.errors import NodeError
from tessel.network.interface import Target, TlsOptions
from tessel.network.limits import (
    CLOSE_TIMEOUT_S,
    FAREWELL_LIMIT_S,
    GOAWAY_CAP_S,
    PROVEN_S,
    REFUSED_HOLD_S,
    RETRY_AFTER_CAP_S,
    TUNNEL_SETUP_TIMEOUT_S,
)
from tessel.network.tls_errors import TlsError

UNREACHABLE = NodeError("connect ECONNREFUSED 192.0.2.1:443", "ECONNREFUSED")


def test_the_token_and_the_features_come_first_and_nothing_before_the_answer():
    device = Device(answer=None, PROXY_DEVICE="kitchen")
    device.connect(Plain)
    assert device.proxy.said == [
        {
            "token": "t0ken",
            "features": [
                "credit/1",
                "device/1",
                "goaway/1",
                "halfclose/1",
                "message/1",
                "ping/1",
                "reason/1",
                "retry/1",
                "reuse/1",
            ],
            "window": 65_536,
            "device": "kitchen",
        }
    ]
    assert device.proxy.served == []
    device.proxy.tunnels[0].message(OURS)
    device.pump()
    assert len(device.proxy.served) == 1


def test_a_device_without_a_name_does_not_offer_to_have_one():
    device = Device()
    device.connect(Plain)
    (said,) = device.proxy.said
    assert "device/1" not in said["features"]
    assert "device" not in said


def test_the_proxy_is_dialled_with_its_certificate():
    pem = trustme.CA().cert_pem.bytes()
    device = Device(PROXY_CERT=pem.decode(), PROXY_PORT="5005")
    device.connect(Plain)
    assert device.proxy.dials == [(Target("proxy.example", 5005), TlsOptions(ca=(pem.strip(),)))]


def test_all_share_one_tunnel():
    device = Device(answer=None)
    for _ in range(3):
        device.connect(Plain)
    device.proxy.tunnels[0].message(OURS)
    device.pump()
    device.connect(Plain)
    assert len(device.proxy.dials) == 1
    assert [served.transport.channel for served in device.proxy.served] == [2, 4, 6, 8]


def test_a_refused_token_fails_all_who_wait_and_the_connection_is_closed():
    device = Device(answer=None)
    attempts = [device.connect(Plain) for _ in range(2)]
    device.proxy.tunnels[0].message({"authed": False, "retry": False})
    device.pump()
    assert [str(attempt.error) for attempt in attempts] == ["Authorization failed."] * 2
    assert attempts[0].error.hint == "the proxy proxy.example:443 refused the token in PROXY_TOKEN"
    assert len(device.proxy.lost) == 1
    assert not device.proxy.connections[0].ends[0].aborted


@pytest.mark.parametrize(
    "answer", [{"authed": False}, {"authed": "true"}, {"error": "Not authorized!"}, "rubbish", 1]
)
def test_anything_but_a_clear_yes_is_a_no(answer):
    device = Device(answer=answer)
    assert str(device.connect(Plain).error) == "Authorization failed."


def test_after_a_refusal_the_token_is_not_shown_to_the_proxy_again_for_a_minute():
    device = Device(answer={"authed": False})
    first = device.connect(Plain)
    device.proxy.answer = OURS
    device.pass_time(REFUSED_HOLD_S - 0.01)
    second = device.connect(Plain)
    assert (str(second.error), second.error.code) == (str(first.error), first.error.code)
    assert second.error.hint == first.error.hint
    assert second.error is not first.error  # each notes where its socket was opened
    assert len(device.proxy.dials) == 1
    device.pass_time(0.02)
    device.connect(Plain)
    assert len(device.proxy.served) == 1


@pytest.mark.parametrize(
    ("reason", "retry", "code", "said"),
    [
        ("wrong_token", False, "ERR_PROXY_AUTHORIZATION", "Authorization failed."),
        ("revoked", False, "ERR_PROXY_AUTHORIZATION", "token is no longer valid"),
        ("too_many_tunnels", True, "EAGAIN", "as many tunnels open as the proxy allows"),
        ("too_many_attempts", True, "EAGAIN", "too many wrong tokens from this address"),
        ("not_checked", True, "EAGAIN", "cannot check the token now"),
        ("unconfirmed", True, "EAGAIN", "could not check the token again"),
        ("ended", True, "EAGAIN", "operator ended the tunnel"),
        ("refused", True, "EAGAIN", "operator refuses this device for now"),
        ("refused", False, "ERR_PROXY_AUTHORIZATION", "operator refuses this device"),
        ("a new word", True, "EAGAIN", "cannot check the token now"),
    ],
)
def test_a_refusal_says_why(reason, retry, code, said):
    device = Device(answer={"authed": False, "retry": retry, "reason": reason})
    error = device.connect(Plain).error
    assert error.code == code
    assert said in str(error)


@pytest.mark.parametrize("retry", [True, False])
def test_what_the_operator_says_is_in_the_programs_error(retry):
    said = {"authed": False, "retry": retry, "reason": "refused", "message": "too much traffic"}
    assert str(Device(answer=said).connect(Plain).error).endswith(": too much traffic")


@pytest.mark.parametrize(
    ("said", "held_s"),
    [
        ({"retry_after_ms": 90_000}, 90.0),
        ({"retry_after_ms": 2**40}, RETRY_AFTER_CAP_S),
        ({}, REFUSED_HOLD_S),
    ],
)
def test_an_operators_refusal_is_not_tried_again_before_its_time(said, held_s):
    device = Device(answer={"authed": False, "retry": True, "reason": "refused"} | said)
    device.connect(Plain)
    device.proxy.answer = OURS
    device.pass_time(held_s - 0.01)
    assert device.connect(Plain).error.code == "EAGAIN"
    assert len(device.proxy.dials) == 1
    device.pass_time(0.02)
    device.connect(Plain)
    assert len(device.proxy.served) == 1


def test_refusals_that_ask_for_no_wait_are_tried_again_with_backoff():
    said = {"authed": False, "retry": True, "reason": "refused", "retry_after_ms": 0}
    device = Device(answer=said)
    for _ in range(5):
        device.connect(Plain)
    assert len(device.proxy.dials) == 1


def test_a_token_that_cannot_be_checked_now_counts_as_a_proxy_not_reached():
    device = Device(answer={"authed": False, "retry": True})
    attempt = device.connect(Plain)
    assert attempt.error.code == "EAGAIN"
    assert "Authorization failed." not in str(attempt.error)
    device.connect(Plain)
    assert len(device.proxy.dials) == 1
    device.pass_time(1.0)
    assert len(device.proxy.dials) == 2


def test_a_proxy_that_cannot_be_reached_is_named_in_the_error():
    device = Device()
    device.proxy.refusal = UNREACHABLE
    error = device.connect(Plain).error
    assert error.code == "ECONNREFUSED"
    assert str(error) == "proxy proxy.example:443: connect ECONNREFUSED 192.0.2.1:443"


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "PROXY_CERT_FILE names the authority"),
        ("ERR_TLS_CERT_ALTNAME_INVALID", "PROXY_HOST must be one of the names"),
        ("ENOTFOUND", "is PROXY_HOST right?"),
        ("ECONNREFUSED", "does a proxy listen there? PROXY_HOST and PROXY_PORT are its address"),
        ("ETIMEDOUT", "does a proxy listen there?"),
    ],
)
def test_a_proxy_that_was_not_reached_has_a_hint_beside_the_error(code, hint):
    device = Device()
    device.proxy.refusal = NodeError("what went wrong", code)
    error = device.connect(Plain).error
    assert (error.code, str(error)) == (code, "proxy proxy.example:443: what went wrong")
    assert error.hint.startswith(hint)


def test_a_proxy_that_does_not_speak_tls_has_a_hint():
    device = Device()
    device.proxy.refusal = TlsError("wrong version number", "ERR_SSL_WRONG_VERSION_NUMBER")
    assert device.connect(Plain).error.hint.startswith("is this the port of a proxy?")


def test_what_nobody_can_advise_on_has_no_hint():
    device = Device()
    device.proxy.refusal = NodeError("no more", "EMFILE")
    assert device.connect(Plain).error.hint is None


def test_after_failures_the_next_attempt_waits_longer_and_longer():
    device = Device()
    device.proxy.refusal = UNREACHABLE
    device.connect(Plain)
    for number, wait_s in enumerate((1, 2, 4, 8), 1):
        waiting = device.connect(Plain)
        device.pass_time(wait_s - 0.01)
        assert waiting.error is None
        assert len(device.proxy.dials) == number
        device.pass_time(0.02)
        assert waiting.error.code == "ECONNREFUSED"
    device.proxy.refusal = None
    device.connect(Plain)
    device.pass_time(60)
    assert len(device.proxy.served) == 1


def test_tunnels_that_are_lost_soon_are_made_again_later_and_later():
    device = Device()  # such as one of two with the same PROXY_DEVICE: each ends the other's
    device.stand(Plain)
    for number, wait_s in enumerate((0, 2, 4, 8), 1):
        device.proxy.tunnels[-1].abortConnection()
        device.pump()
        device.connect(Plain)
        if wait_s:
            device.pass_time(wait_s - 0.01)
            assert len(device.proxy.dials) == number
        device.pass_time(0.02)
        assert len(device.proxy.dials) == number + 1


@pytest.mark.parametrize("end", ["lost", "goaway"])
def test_a_tunnel_that_lasted_or_was_sent_away_is_made_again_without_such_a_wait(end):
    device = Device()
    device.stand(Plain)
    device.proxy.tunnels[-1].abortConnection()  # one failure
    device.pump()
    device.connect(Plain)
    if end == "goaway":
        device.proxy.tunnels[-1].enable({"goaway/1"})
        device.proxy.tunnels[-1].goaway(0)
        device.proxy.served[-1].closes()
    else:
        device.pass_time(PROVEN_S)
        device.proxy.tunnels[-1].abortConnection()
    device.pump()
    dials = len(device.proxy.dials)
    device.connect(Plain)
    device.pass_time(0)
    assert len(device.proxy.dials) == dials + 1


def test_a_refused_token_does_not_undo_the_failures_before_it():
    device = Device()
    device.proxy.refusal = UNREACHABLE
    device.connect(Plain)
    device.proxy.refusal, device.proxy.answer = None, {"authed": False}
    device.connect(Plain)
    device.pass_time(1)
    device.pass_time(REFUSED_HOLD_S)
    device.proxy.refusal = UNREACHABLE
    device.connect(Plain)
    waiting = device.connect(Plain)
    device.pass_time(1.99)
    assert waiting.error is None
    device.pass_time(0.02)
    assert waiting.error.code == "ECONNREFUSED"


def test_a_proxy_that_does_not_answer_is_given_up():
    device = Device(answer=None)
    attempt = device.connect(Plain)
    device.pass_time(TUNNEL_SETUP_TIMEOUT_S)
    assert attempt.error.code == "ETIMEDOUT"
    assert len(device.proxy.lost) == 1
    assert not device.clock.getDelayedCalls()


def test_a_late_answer_means_nothing():
    device = Device(answer=None)
    device.connect(Plain)
    device.proxy.connections[0].ends[0].reading = False
    device.proxy.tunnels[0].message(OURS)
    device.clock.advance(TUNNEL_SETUP_TIMEOUT_S)
    device.proxy.connections[0].ends[0].protocol.dataReceived(b"")
    device.pump()
    assert device.proxy.served == []


def test_a_tunnel_that_ends_before_the_answer_is_an_error():
    device = Device(answer=None)
    attempt = device.connect(Plain)
    device.proxy.connections[0].cut(ConnectionDone())
    assert attempt.error.code == "ECONNRESET"


def test_whoever_gives_up_waiting_does_not_disturb_the_others():
    device = Device(answer=None)
    first, second = device.connect(Plain), device.connect(Plain)
    first.deferred.cancel()
    assert isinstance(first.error, CancelledError)
    device.proxy.tunnels[0].message(OURS)
    device.pump()
    assert len(device.proxy.served) == 1
    assert second.error is None


def test_when_the_last_gives_up_so_does_the_attempt():
    device = Device()
    device.proxy.hangs = True
    device.connect(Plain).deferred.cancel()
    assert device.proxy.given_up == 1
    assert not device.clock.getDelayedCalls()
    device.proxy.hangs = False
    device.connect(Plain)
    assert len(device.proxy.served) == 1


def test_one_who_fails_may_make_another_give_up():
    device = Device(answer=None)
    first = device.connect(Plain)
    second = device.connect(Plain)
    first.deferred.addCallback(lambda _: second.deferred.cancel())
    device.proxy.tunnels[0].message({"authed": False})
    device.pump()
    assert isinstance(second.error, CancelledError)


@pytest.mark.parametrize("said", [{"authed": True}, {"authed": None}, {}, "no", 1, {"error": "x"}])
def test_other_messages_after_the_answer_mean_nothing(said):
    device = Device()
    device.connect(Plain)
    device.proxy.tunnels[0].message(said)
    device.pump()
    assert device.proxy.lost == []


def test_an_original_proxy_says_nothing_of_the_token_after_its_answer():
    device = Device(answer=ORIGINAL)
    device.connect(Plain)
    device.proxy.tunnels[0].message({"authed": False})
    device.pump()
    assert device.proxy.lost == []


REVOKED = {"authed": False, "retry": False, "reason": "revoked"}


class TestRevoked:
    """The proxy accepted the token before, and now it does not."""

    def revoke(self, device, **said):
        device.proxy.tunnels[-1].message(REVOKED | said)
        device.pump()

    def test_the_sockets_learn_that_the_token_is_no_longer_valid(self):
        device = Device()
        above, _ = device.stand(HalfCloseable)
        connecting = device.connect(Plain)
        self.revoke(device)
        errors = [above.lost.value, connecting.error]
        assert [each.code for each in errors] == ["ERR_PROXY_AUTHORIZATION"] * 2
        assert [str(each) for each in errors] == [
            "Authorization failed: the token is no longer valid."
        ] * 2
        assert errors[0].hint == (
            "the proxy proxy.example:443 no longer accepts the token in PROXY_TOKEN"
        )
        assert errors[0] is not errors[1]
        assert len(device.proxy.lost) == 1
        assert not device.proxy.connections[0].ends[0].aborted

    def test_a_proxy_without_reasons_is_understood_as_well(self):
        device = Device()
        above, _ = device.stand(HalfCloseable)
        device.proxy.tunnels[0].message({"authed": False, "retry": False})
        device.pump()
        assert "no longer valid" in str(above.lost.value)

    def test_the_proxy_is_not_dialled_again(self):
        device = Device()
        device.stand(HalfCloseable)
        self.revoke(device)
        for _ in range(5):
            assert "no longer valid" in str(device.connect(Plain).error)
            device.pass_time(REFUSED_HOLD_S / 6)
        assert len(device.proxy.dials) == 1

    def test_a_tunnel_that_was_retired_is_reported_as_well(self):
        device = Device()
        above, _ = device.stand(HalfCloseable)
        device.proxy.tunnels[0].enable({"goaway/1"})
        device.proxy.tunnels[0].goaway(1000)
        device.pump()
        self.revoke(device)
        assert above.lost.value.code == "ERR_PROXY_AUTHORIZATION"

    def test_a_token_that_can_be_checked_no_longer_is_tried_again_later(self):
        device = Device()
        above, _ = device.stand(HalfCloseable)
        self.revoke(device, retry=True, reason="unconfirmed")
        assert above.lost.value.code == "EAGAIN"
        assert "could not check the token again" in str(above.lost.value)
        waiting = device.connect(Plain)
        assert len(device.proxy.dials) == 1
        device.pass_time(1.0)
        assert waiting.error is None
        assert len(device.proxy.dials) == 2

    def test_the_operators_reason_reaches_open_sockets_and_the_device_comes_back(self):
        device = Device()
        above, _ = device.stand(HalfCloseable)
        self.revoke(device, retry=True, reason="ended", message="maintenance")
        error = above.lost.value
        assert (error.code, str(error)) == (
            "EAGAIN",
            "the proxy's operator ended the tunnel: maintenance",
        )
        waiting = device.connect(Plain)
        device.pass_time(1.0)
        assert waiting.error is None
        assert len(device.proxy.dials) == 2

    def test_a_device_that_is_refused_later_waits_for_the_time_it_got(self):
        device = Device()
        above, _ = device.stand(HalfCloseable)
        self.revoke(device, retry=True, reason="refused", message="tea", retry_after_ms=90_000)
        assert str(above.lost.value) == "the proxy's operator refuses this device for now: tea"
        device.pass_time(89.9)
        assert device.connect(Plain).error.code == "EAGAIN"
        assert len(device.proxy.dials) == 1

    def test_an_accepted_token_ends_the_hold(self):
        device = Device()
        device.stand(HalfCloseable)
        self.revoke(device)
        device.pass_time(REFUSED_HOLD_S)
        device.stand(HalfCloseable)
        device.proxy.connections[-1].cut(ConnectionDone())
        device.stand(HalfCloseable)
        assert len(device.proxy.dials) == 3

    def test_a_proxy_that_does_not_close_is_cut(self):
        device = Device()
        above, _ = device.stand(HalfCloseable)
        above.transport.write(bytes(100_000))
        device.proxy.connections[0].ends[0].blocked = True
        device.network._tunnels._tunnels[0].messageReceived(REVOKED)
        device.clock.advance(CLOSE_TIMEOUT_S + 0.01)
        device.pump()
        assert above.lost.value.code == "ERR_PROXY_AUTHORIZATION"


def test_a_substream_that_the_proxy_opens_is_refused():
    device = Device()
    device.connect(Plain)
    substream = device.proxy.tunnels[0].open("net")
    opened = Aware()
    substream.attach(opened)
    device.pump()
    assert opened.calls == ["made", "error", "read lost"]


class TestIdle:
    def test_a_tunnel_with_nothing_open_is_closed_and_made_anew(self):
        device = Device(PROXY_IDLE="1000")
        _above, served = device.stand(HalfCloseable)
        device.pass_time(5)
        assert device.proxy.lost == []
        served.ends()
        served.closes()
        device.pump()
        device.pass_time(0.9)
        assert device.proxy.lost == []
        device.pass_time(0.2)
        assert len(device.proxy.lost) == 1
        device.stand(HalfCloseable)
        assert len(device.proxy.dials) == 2

    def test_a_new_substream_keeps_it(self):
        device = Device(PROXY_IDLE="1000")
        _, served = device.stand(HalfCloseable)
        served.ends()
        served.closes()
        device.pump()
        device.pass_time(0.9)
        device.stand(HalfCloseable)
        device.pass_time(5)
        assert device.proxy.lost == []

    def test_one_that_was_authorized_with_nothing_to_open_is_closed_too(self):
        device = Device(answer=None, PROXY_IDLE="1000")
        protocol = device.connect(Plain)
        device.network._tunnels._waiting.clear()  # as if all had given up in that very moment
        device.proxy.tunnels[0].message(OURS)
        device.pump()
        assert device.proxy.served == []
        device.pass_time(1.1)
        assert len(device.proxy.lost) == 1
        assert protocol.error is None


class TestExhaustion:
    def exhausted(self, device, monkeypatch):
        protocol = device.proxy.connections[0].ends[0].protocol

        def none_left(name):
            raise ChannelsExhaustedError("all used")

        monkeypatch.setattr(protocol, "open", none_left)

    def test_a_second_tunnel_takes_over_and_the_first_ends_with_its_last(self, monkeypatch):
        device = Device()
        _, served = device.stand(HalfCloseable)
        self.exhausted(device, monkeypatch)
        device.stand(HalfCloseable)
        assert len(device.proxy.dials) == 2
        assert device.proxy.lost == []
        served.ends()
        served.closes()
        device.pump()
        assert len(device.proxy.lost) == 1
        device.connect(Plain)
        assert len(device.proxy.dials) == 2

    def test_one_with_nothing_open_ends_at_once(self, monkeypatch):
        device = Device()
        _, served = device.stand(HalfCloseable)
        served.ends()
        served.closes()
        device.pump()
        self.exhausted(device, monkeypatch)
        device.stand(HalfCloseable)
        assert len(device.proxy.lost) == 1


class TestClose:
    def closing(self, device):
        done = []
        device.network.close().addCallback(done.append)
        return done

    def test_with_no_tunnel_there_is_nothing_to_wait_for(self):
        assert self.closing(Device()) == [None]

    def test_it_waits_for_the_tunnel_to_end(self):
        device = Device()
        above, _ = device.stand(HalfCloseable)
        done = self.closing(device)
        assert done == []
        device.pump()
        assert done == [None]
        assert above.lost.value.code == "ECONNRESET"

    def test_but_not_for_long(self):
        device = Device()
        device.stand(HalfCloseable)
        connection = device.proxy.connections[0]
        connection.ends[0].loseConnection = lambda: None
        done = self.closing(device)
        device.clock.advance(CLOSE_TIMEOUT_S)
        assert done == [None]
        assert connection.ends[0].aborted

    def test_an_attempt_is_given_up(self):
        device = Device()
        device.proxy.hangs = True
        attempt = device.connect(Plain)
        assert self.closing(device) == [None]
        assert isinstance(attempt.error, CancelledError)

    def test_a_tunnel_that_is_being_closed_opens_nothing(self):
        device = Device()
        device.stand(HalfCloseable)
        tunnel = device.proxy.connections[0].ends[0].protocol._listener
        self.closing(device)
        with pytest.raises(NodeError, match="ECONNRESET"):
            tunnel.open("net")
        tunnel.close()
        tunnel.abort()
        tunnel.tunnelSecured()
        device.pump()
        tunnel.abort()


def test_after_its_loss_the_next_connection_makes_a_new_tunnel():
    device = Device()
    above, _ = device.stand(HalfCloseable)
    device.proxy.connections[0].cut(ConnectionDone())
    assert above.lost.value.code == "ECONNRESET"
    device.stand(HalfCloseable)
    assert len(device.proxy.dials) == 2


def test_between_its_fault_and_its_loss_the_next_connection_makes_a_new_tunnel():
    device = Device()
    above, _ = device.stand(HalfCloseable)
    device.proxy.connections[0].ends[0].protocol.dataReceived(b"\0\0")  # an empty frame
    attempt = device.connect(HalfCloseable)
    assert attempt.error is None
    assert len(device.proxy.dials) == 2
    assert len(device.proxy.served) == 2
    assert above.lost.value.code == "ECONNRESET"


def test_a_bug_in_the_dial_is_reported_as_it_is():
    device = Device()
    device.proxy.refusal = ZeroDivisionError()
    assert isinstance(device.connect(Plain).error, ZeroDivisionError)


class TestFarewell:
    """The natural end of a program: what is idle still is closed in order, then the tunnel."""

    def leaving(self, device):
        done = []
        Deferred.fromCoroutine(device.network.finish()).addCallback(done.append)
        device.pump()
        return done

    def test_idle_connections_are_ended_and_the_tunnel_waits_for_their_close(self):
        device = Device()
        above, served = device.stand(HalfCloseable)
        done = self.leaving(device)
        assert served.calls[-1] == "read lost"
        assert above.lost.check(ConnectionDone)
        assert device.proxy.lost == []
        served.ends()
        served.closes()
        device.pump()
        assert len(device.proxy.lost) == 1
        assert done == [None]
        assert not device.clock.getDelayedCalls()

    def test_a_target_that_stays_silent_is_not_waited_for_long(self):
        device = Device()
        device.stand(HalfCloseable)
        done = self.leaving(device)
        device.pass_time(FAREWELL_LIMIT_S - 0.1)
        assert device.proxy.lost == []
        device.pass_time(0.2)
        assert len(device.proxy.lost) == 1
        assert done == [None]

    def test_a_connection_that_does_not_stand_yet_is_given_up(self):
        device = Device()
        attempt = device.connect(Plain)
        self.leaving(device)
        assert attempt.error.code == "ECONNRESET"
        served = device.proxy.served[0]
        assert served.events[-1] == ("error", "aborted")
        served.closes()
        device.pump()
        assert len(device.proxy.lost) == 1

    def test_one_that_the_program_has_left_needs_only_its_close(self):
        device = Device()
        above, served = device.stand(HalfCloseable)
        above.transport.loseConnection()
        device.pump()
        self.leaving(device)
        assert device.proxy.lost == []
        served.ends()
        served.closes()
        device.pump()
        assert len(device.proxy.lost) == 1

    def test_a_tunnel_with_nothing_open_is_closed_at_once(self):
        device = Device()
        _above, served = device.stand(HalfCloseable)
        served.ends()
        served.closes()
        device.pump()
        done = self.leaving(device)
        assert done == [None]
        assert not device.clock.getDelayedCalls()

    def test_without_a_tunnel_it_is_over(self):
        assert self.leaving(Device()) == [None]

    def test_an_attempt_is_given_up(self):
        device = Device(answer=None)
        attempt = device.connect(Plain)
        assert self.leaving(device) == [None]
        assert isinstance(attempt.error, CancelledError)


class TestGoingAway:
    """The proxy is being stopped."""

    def told(self, after_ms):
        device = Device()
        _, served = device.stand(HalfCloseable)
        for tunnel in device.proxy.tunnels:
            tunnel.enable({"goaway/1"})
            tunnel.goaway(after_ms)
        device.pump()
        return device, served

    def test_what_is_open_stays_and_the_tunnel_ends_with_the_last(self):
        device, served = self.told(1_800)
        device.pass_time(60)
        assert device.proxy.lost == []
        served.ends()
        served.closes()
        device.pump()
        assert len(device.proxy.lost) == 1

    def test_the_next_tunnel_is_made_when_the_proxy_says(self):
        device, _ = self.told(1_800)
        attempt = device.connect(HalfCloseable)
        device.pass_time(1.79)
        assert len(device.proxy.dials) == 1
        device.pass_time(0.02)
        assert len(device.proxy.dials) == 2
        assert attempt.error is None

    def test_no_proxy_keeps_programs_waiting_for_longer_than_the_cap(self):
        device, _ = self.told(2**31 - 1)
        device.connect(HalfCloseable)
        device.pass_time(GOAWAY_CAP_S)
        assert len(device.proxy.dials) == 2

    def test_one_with_nothing_open_ends_at_once(self):
        device = Device()
        _, served = device.stand(HalfCloseable)
        served.ends()
        served.closes()
        device.pump()
        device.proxy.tunnels[0].enable({"goaway/1"})
        device.proxy.tunnels[0].goaway(0)
        device.pump()
        assert len(device.proxy.lost) == 1
        assert device.clock.getDelayedCalls() == []

    def test_it_is_heeded_in_the_same_bytes_as_the_answer_to_the_token(self):
        device = Device(answer=None)
        device.connect(HalfCloseable)
        (tunnel,) = device.proxy.tunnels
        tunnel.message(OURS)
        tunnel.enable({"goaway/1"})
        tunnel.goaway(1_800)
        device.pump()
        (served,) = device.proxy.served  # what waited for the answer
        device.connect(HalfCloseable)
        device.pass_time(1.9)
        assert len(device.proxy.dials) == 2
        served.ends()
        served.closes()
        device.pump()
        assert len(device.proxy.lost) == 1

    def test_asked_twice_it_waits_for_the_later_time(self):
        device, _ = self.told(1_800)
        device.proxy.tunnels[0].goaway(5_000)
        device.pump()
        device.connect(HalfCloseable)
        device.pass_time(4.9)
        assert len(device.proxy.dials) == 1
        device.pass_time(0.2)
        assert len(device.proxy.dials) == 2


class TestSilence:
    """The proxy, or the way to it, is gone without a word."""

    def test_connections_are_reset_within_the_times_set(self):
        device = Device(PING_INTERVAL_S="5", PING_TIMEOUT_S="2")
        protocol, _ = device.stand(HalfCloseable)
        device.proxy.connections[0].ends[1].reading = False
        device.pass_time(5)
        device.pass_time(1.9)
        assert protocol.lost is None
        device.pass_time(0.1)
        assert protocol.lost.value.code == "ECONNRESET"

    @pytest.mark.parametrize("answer", [ORIGINAL, OURS])
    def test_a_proxy_that_cannot_be_asked_is_not(self, answer):
        environ = {} if answer is ORIGINAL else {"PING_INTERVAL_S": "0"}
        device = Device(answer=answer, **environ)
        protocol, _ = device.stand(HalfCloseable)
        device.proxy.connections[0].ends[1].reading = False
        for _ in range(10):
            device.pass_time(30)
        assert protocol.lost is None
