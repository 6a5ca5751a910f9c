"""A connection through the tunnel, as its protocol and as the proxy see it."""

import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from streamplex import Windows
from support.fake_proxy import ORIGINAL, WITH_CREDIT, Device
from support.memory_tunnels import HalfCloseable, Plain
from tessel.network.limits import CONNECT_TIMEOUT_S, LINGER_LIMIT_S
from tessel.network.tunneled import tunnel


@pytest.fixture
def device():
    return Device()


def original():
    return Device(answer=ORIGINAL)


class TestConnecting:
    def test_the_target_is_named_and_the_connection_stands_on_connect(self, device):
        attempt = device.connect(HalfCloseable)
        served = device.proxy.served[0]
        assert served.name == "net"
        assert served.events == [("_pls_connect", 80, "example.com")]
        assert attempt.protocol is None
        served.says("lookup")
        served.says("connect")
        device.pump()
        assert attempt.watch.told == ["opened", "looked up", "connected"]
        assert attempt.protocol.calls == ["made"]
        peer = attempt.protocol.transport.getPeer()
        assert (peer.hostname, peer.port) == (b"example.com", 80)
        assert attempt.protocol.transport.getHost().channel == 2

    def test_a_tls_substream_stands_on_secure_connect(self, device):
        attempt = device.connect(HalfCloseable, name="tls")
        served = device.proxy.served[0]
        assert served.name == "tls"
        served.says("connect")
        device.pump()
        assert attempt.protocol is None
        assert attempt.watch.told == ["opened", "connected"]
        served.says("secureConnect")
        device.pump()
        assert attempt.protocol is not None

    def test_what_is_written_before_it_stands_is_sent_at_once(self, device):
        attempt = device.connect(HalfCloseable)
        attempt.watch.transport.writeSequence([b"GET", b" /"])
        attempt.watch.transport.loseWriteConnection()
        device.pump()
        served = device.proxy.served[0]
        assert served.data == b"GET /"
        assert served.calls == ["made", "_pls_connect", "data", "read lost"]

    def test_an_error_fails_it_in_nodes_words_and_close_frees_the_number(self, device):
        attempt = device.connect(HalfCloseable)
        served = device.proxy.served[0]
        served.fails("connect ECONNREFUSED 192.0.2.1:80")
        served.ends()
        served.closes()
        device.pump()
        assert attempt.error.code == "ECONNREFUSED"
        assert attempt.error.hint is None
        assert "read lost" in served.calls  # the device answered `end`
        assert not device.proxy.connections[0].ends[0].protocol.substreams

    @pytest.mark.parametrize("has_ended", [True, False])
    def test_a_close_in_place_of_connect_is_a_reset(self, device, has_ended):
        attempt = device.connect(HalfCloseable)
        served = device.proxy.served[0]
        if has_ended:
            served.ends()
        served.closes()
        device.pump()
        assert attempt.error.code == "ECONNRESET"

    def test_a_refusal_by_the_proxys_rules_has_a_hint_beside_the_error(self, device):
        attempt = device.connect(HalfCloseable)
        device.proxy.served[0].fails("connect EACCES 10.0.0.1:80")
        device.pump()
        assert str(attempt.error) == "connect EACCES 10.0.0.1:80"
        assert "EGRESS_ALLOW" in attempt.error.hint

    def test_bytes_are_proof_that_it_stands(self, device):
        attempt = device.connect(HalfCloseable)
        device.proxy.served[0].sends(b"x")
        device.pump()
        assert attempt.protocol.data == b"x"

    def test_a_close_without_a_word_is_a_reset(self, device):
        attempt = device.connect(HalfCloseable)
        device.proxy.served[0].closes()
        device.pump()
        assert attempt.error.code == "ECONNRESET"

    def test_an_end_before_it_stands_waits_for_what_comes_next(self, device):
        attempt = device.connect(HalfCloseable)
        device.proxy.served[0].ends()
        device.pump()
        assert attempt.error is None
        device.proxy.served[0].closes()
        device.pump()
        assert attempt.error is not None

    def test_a_proxy_that_says_nothing_is_given_up(self, device):
        attempt = device.connect(HalfCloseable)
        device.pass_time(CONNECT_TIMEOUT_S)
        assert attempt.error.code == "ETIMEDOUT"
        assert device.proxy.served[0].events[-1] == ("error", "aborted")

    def test_giving_up_aborts_the_target(self, device):
        attempt = device.connect(HalfCloseable)
        attempt.deferred.cancel()
        device.pump()
        served = device.proxy.served[0]
        assert served.calls[-2:] == ["error", "read lost"]
        served.says("lookup")
        served.says("connect")
        served.says("secureConnect")
        served.fails("too late")
        served.ends()
        served.closes()
        device.pump()
        assert attempt.watch.told == ["opened"]

    def test_the_original_proxy_gets_end_alone(self):
        device = original()
        device.connect(HalfCloseable).deferred.cancel()
        device.pump()
        assert device.proxy.served[0].calls == ["made", "_pls_connect", "read lost"]

    def test_a_tunnel_that_is_lost_meanwhile_is_a_reset(self, device):
        attempt = device.connect(HalfCloseable)
        device.proxy.connections[0].cut(ConnectionDone())
        assert attempt.error.code == "ECONNRESET"


class TestData:
    def test_bytes_go_both_ways(self, device):
        above, served = device.stand(HalfCloseable)
        above.transport.write(b"up")
        served.sends(b"down")
        device.pump()
        assert (above.data, served.data) == (b"down", b"up")

    def test_a_paused_reader_gets_nothing_until_it_resumes(self, device):
        above, served = device.stand(HalfCloseable)
        above.transport.pauseProducing()
        served.sends(b"x")
        served.ends()
        device.pump()
        assert above.calls == ["made"]
        above.transport.resumeProducing()
        device.pump()
        assert above.calls == ["made", "data", "read lost"]

    def test_a_producer_is_paused_by_the_substream(self, device):
        above, _served = device.stand(HalfCloseable)
        producer = Producer()
        above.transport.registerProducer(producer, True)
        device.proxy.connections[0].ends[0].producer.pauseProducing()
        above.transport.write(b"x" * 200_000)
        assert producer.calls == ["pause"]
        above.transport.unregisterProducer()
        above.transport.unregisterProducer()

    def test_the_proxy_watches_the_idle_time(self, device):
        above, served = device.stand(HalfCloseable)
        expired = []
        served.says("timeout")  # nobody asked: nobody hears
        device.pump()
        above.transport.watch_idle(500, lambda: expired.append(1))
        device.pump()
        assert served.events[-1] == ("_pls_timeout", 500)
        served.says("timeout")
        served.says("somethingElse")
        device.pump()
        assert expired == [1]

    def test_switches_of_tcp_change_nothing(self, device):
        transport = device.stand(HalfCloseable)[0].transport
        transport.setTcpNoDelay(False)
        transport.setTcpKeepAlive(True)
        assert transport.getTcpNoDelay() is True
        assert transport.getTcpKeepAlive() is False


@implementer(IPushProducer)
class Producer:
    def __init__(self):
        self.calls = []

    def pauseProducing(self):
        self.calls.append("pause")

    def resumeProducing(self):
        self.calls.append("resume")

    def stopProducing(self):
        self.calls.append("stop")


class TestEnds:
    def test_the_targets_end_leaves_the_other_direction_open(self, device):
        above, served = device.stand(HalfCloseable)
        served.ends()
        device.pump()
        above.transport.write(b"still")
        above.transport.loseWriteConnection()
        device.pump()
        assert served.data == b"still"
        assert above.calls == ["made", "read lost", "write lost"]
        served.closes()
        device.pump()
        assert above.lost.check(ConnectionDone)

    def test_a_protocol_that_is_not_half_closeable_is_closed_by_it(self, device):
        above, served = device.stand(Plain)
        served.ends()
        device.pump()
        assert above.lost.check(ConnectionDone)
        assert served.calls[-1] == "read lost"
        served.closes()
        device.pump()

    def test_close_behind_the_targets_end_is_answered_with_end(self, device):
        above, served = device.stand(HalfCloseable)
        served.sends(b"all")
        served.ends()
        served.closes()
        device.pump()
        assert above.data == b"all"
        assert above.lost.check(ConnectionDone)
        assert served.calls[-1] == "read lost"

    def test_close_without_the_targets_end_is_a_reset(self, device):
        above, served = device.stand(HalfCloseable)
        served.sends(b"half")
        served.closes()
        device.pump()
        assert above.lost.value.code == "ECONNRESET"

    def test_a_targets_failure_is_reported_in_its_words(self, device):
        above, served = device.stand(HalfCloseable)
        served.fails("read ETIMEDOUT")
        served.ends()
        served.closes()
        device.pump()
        assert above.lost.value.code == "ETIMEDOUT"

    def test_lose_connection_sends_what_is_queued_and_end_and_is_reported_in_a_turn_of_its_own(
        self, device
    ):
        above, served = device.stand(HalfCloseable)
        above.transport.write(b"last")
        above.transport.loseConnection()
        above.transport.loseConnection()
        above.transport.write(b"never")
        assert above.lost is None
        device.pump()
        assert above.lost.check(ConnectionDone)
        assert served.data == b"last"
        assert served.calls[-1] == "read lost"

    def test_it_waits_for_a_producer(self, device):
        above, served = device.stand(HalfCloseable)
        above.transport.registerProducer(Producer(), True)
        above.transport.loseConnection()
        device.pump()
        above.transport.write(b"the rest")
        assert above.lost is None
        above.transport.unregisterProducer()
        device.pump()
        assert served.data == b"the rest"
        assert above.lost.check(ConnectionDone)

    @pytest.mark.parametrize("close", ["discard", "stopProducing"])
    def test_other_words_for_it(self, device, close):
        above, served = device.stand(HalfCloseable)
        getattr(above.transport, close)()
        device.pump()
        assert above.lost.check(ConnectionDone)
        assert served.calls[-1] == "read lost"

    def test_data_for_a_connection_that_was_left_is_refused_once(self, device):
        above, served = device.stand(HalfCloseable)
        above.transport.loseConnection()
        device.pump()
        served.sends(b"endless")
        device.pump()
        served.sends(b"download")
        device.pump()
        assert served.calls.count("error") == 1
        assert above.data == b""

    def test_the_original_proxy_is_not_reported(self):
        device = original()
        above, served = device.stand(HalfCloseable)
        above.transport.loseConnection()
        served.sends(b"endless")
        device.pump()
        assert "error" not in served.calls

    def test_abort_notifies_the_proxy_and_the_protocol(self, device):
        above, served = device.stand(HalfCloseable)
        above.transport.abortConnection()
        above.transport.abortConnection()
        above.transport.pauseProducing()
        device.pump()
        assert above.lost.check(ConnectionAborted)
        assert ("error", "aborted") in served.events

    def test_the_tunnels_end_is_a_reset_however_clean(self, device):
        above, _ = device.stand(HalfCloseable)
        device.proxy.connections[0].cut(ConnectionDone())
        assert above.lost.value.code == "ECONNRESET"

    def test_a_protocol_that_raises_loses_its_connection_alone(self, device, logged_failures):
        class Raising(HalfCloseable):
            def dataReceived(self, data):
                raise ZeroDivisionError

        above, served = device.stand(Raising)
        other, _ = device.stand(HalfCloseable)
        served.sends(b"x")
        device.pump()
        assert above.lost.value.code == "ECONNRESET"
        assert other.lost is None
        assert logged_failures.flush(ZeroDivisionError)


class TestLingering:
    def test_one_that_was_left_does_not_keep_an_idle_tunnel_for_long(self):
        device = Device(PROXY_IDLE="1000")
        above, _ = device.stand(HalfCloseable)
        above.transport.loseConnection()  # and the proxy never says `close`
        device.pump()
        device.pass_time(LINGER_LIMIT_S - 1)
        assert device.proxy.lost == []
        device.pass_time(1)
        device.pass_time(1)
        assert len(device.proxy.lost) == 1

    def test_a_close_in_time_counts_once(self):
        device = Device(PROXY_IDLE="1000")
        above, served = device.stand(HalfCloseable)
        above.transport.loseConnection()
        device.pump()
        served.closes()
        device.pump()
        device.stand(HalfCloseable)
        device.pass_time(LINGER_LIMIT_S)
        assert device.proxy.lost == []

    def test_a_close_after_it_changes_nothing(self):
        device = Device(PROXY_IDLE="100000")
        above, served = device.stand(HalfCloseable)
        above.transport.loseConnection()
        device.pump()
        device.pass_time(LINGER_LIMIT_S)
        served.closes()
        device.pump()
        assert device.proxy.lost == []


class TestFlowControl:
    @pytest.fixture
    def device(self):
        return Device(answer=WITH_CREDIT)

    def test_a_reader_that_stalls_costs_its_window_and_holds_up_no_other(self, device):
        slow, far_slow = device.stand(HalfCloseable)
        other, far_other = device.stand(HalfCloseable)
        slow.transport.pauseProducing()
        far_slow.sends(bytes(1_000_000))
        far_other.sends(bytes(1_000_000))
        device.pump()
        assert slow.data == b""
        assert len(other.data) == 1_000_000
        slow.transport.resumeProducing()
        device.pump()
        assert len(slow.data) == 1_000_000

    def test_destroying_a_socket_with_unread_data_resets_it_at_once(self, device):
        above, served = device.stand(HalfCloseable)
        above.transport.pauseProducing()
        served.sends(bytes(1_000_000))
        device.pump()
        above.transport.discard()
        device.pump()
        assert above.data == b""
        assert above.lost.check(ConnectionDone)
        assert served.calls[-2:] == ["reset", "read lost"]
        assert not device.proxy.tunnels[0].has_more_to_send
        served.ends()
        served.closes()
        served.transport.release()
        device.pump()
        assert not device.proxy.tunnels[0].substreams_in_use

    def test_what_was_written_before_destroy_still_arrives_if_nothing_is_unread(self, device):
        above, served = device.stand(HalfCloseable)
        above.transport.write(b"last words")
        above.transport.discard()
        device.pump()
        assert served.data == b"last words"
        assert served.calls[-1] == "read lost"

    @pytest.mark.parametrize("close", ["discard", "loseConnection"])
    def test_data_for_a_connection_that_was_left_is_answered_with_one_reset(self, device, close):
        above, served = device.stand(HalfCloseable)
        getattr(above.transport, close)()
        device.pump()
        for _ in range(3):
            served.sends(bytes(1_000_000))
            device.pump()
        assert served.calls.count("reset") == 1
        assert "error" not in served.calls
        assert above.data == b""
        assert not device.proxy.tunnels[0].has_more_to_send

    def test_a_proxy_that_takes_nothing_more_breaks_the_connection(self, device):
        above, served = device.stand(HalfCloseable)
        served.transport.reset()
        device.pump()
        assert above.lost.value.code == "ECONNRESET"

    def test_more_connections_than_windows_fail_for_want_of_one(self, device, monkeypatch):
        monkeypatch.setattr(tunnel, "WINDOWS", Windows(tunnel_max=65_536))
        device.stand(HalfCloseable)
        attempt = device.connect(HalfCloseable)
        assert attempt.error.code == "EMFILE"
        assert len(device.proxy.served) == 1
