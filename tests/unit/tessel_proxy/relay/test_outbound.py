"""One substream and its target."""

import gc

import pytest
from twisted.internet import error

from streamplex.messages import data_header
from streamplex.tx.flow import MAX_STALL_S
from streamplex.tx.substream import Substream
from support.proxy_in_memory import PUBLIC, LoggedEvents, Stage
from tessel_proxy.egress.policy import Standing
from tessel_proxy.relay import outbound
from tessel_proxy.relay.backpressure import Pauses
from tessel_proxy.relay.early_data import PAUSE_BYTES, TUNNEL_BYTES
from tessel_proxy.relay.outbound import Outbound
from tessel_proxy.relay.states import TRANSITIONS, RelayInput, RelayState

ENDED = [("close",)]


@pytest.fixture
def stage():
    stage = Stage()
    stage.authenticate()
    return stage


@pytest.fixture
def half_closing():
    stage = Stage()
    stage.authenticate("halfclose/1")
    return stage


@pytest.fixture(autouse=True)
def logged():
    with LoggedEvents() as logged:
        yield logged


def closing_line(logged):
    (line,) = logged.named("substream_closed")
    return line


def failed_with(device, message):
    """Did the device get the error, then the end, then `close`?"""
    return device.events[-2:] == [("error", message), ("close",)] and "read lost" in device.calls


# --- the main way


def test_bytes_go_to_the_target_and_back(stage):
    device, target = stage.relay()
    device.transport.write(b"ping")
    stage.pump()
    assert target.value() == b"ping"
    target.send(b"pong")
    stage.pump()
    assert device.data == b"pong"
    assert device.events == [("connect",)]


def test_the_target_is_dialled_where_the_device_says_without_delay_for_small_pieces(stage):
    device = stage.connect("2606:4700:4700::1111", "443")
    assert (stage.dial().host, stage.dial().port) == ("2606:4700:4700::1111", 443)
    target = stage.dial().stands()
    assert target.no_delay
    stage.pump()
    assert device.events == [("connect",)]


def test_an_ipv6_target_stands_in_the_log_as_in_a_url(stage, logged):
    stage.connect("2606:4700:4700::1111", 443)
    stage.connection.cut()
    assert closing_line(logged)["target"] == "[2606:4700:4700::1111]:443"


def test_a_substream_of_another_name_is_plain(stage):
    stage.connect(name="udp")
    stage.connect(name=None)
    assert len(stage.dials) == 2


def test_the_closing_line_tells_the_whole_story(stage, logged):
    device, target = stage.relay()
    device.transport.write(b"12345")
    stage.pump()
    target.send(b"123")
    stage.clock.advance(2)
    target.end()
    line = closing_line(logged)
    expected = {
        "tunnel": 7,
        "substream": 2,
        "account": "hardcoded",
        "device": None,
        "kind": "net",
        "target": f"{PUBLIC}:80",
        "address": PUBLIC,
        "bytes_from_device": 5,
        "bytes_from_target": 3,
        "seconds": 2.0,
        "outcome": "ended",
    }
    assert expected.items() <= line.items()


def both_end(stage, device, target):
    target.end()
    device.transport.loseWriteConnection()


def the_device_ends_first(stage, device, target):
    device.transport.loseWriteConnection()
    stage.pump()
    target.end()


def the_target_resets(stage, device, target):
    target.lose(error.ConnectionLost())


def the_device_fails(stage, device, target):
    device.transport.fail("no more")


def parts_of_substreams():
    return [one for one in gc.get_objects() if isinstance(one, Outbound | Pauses | Substream)]


ENDS = [both_end, the_device_ends_first, the_target_resets, the_device_fails]


@pytest.mark.parametrize("end", ENDS)
def test_what_is_over_is_freed_at_once_and_not_by_a_collection(half_closing, end):
    gc.collect()
    gc.disable()
    try:
        before = parts_of_substreams()  # of other tests
        device, target = half_closing.relay()
        device.transport.emit("_pls_timeout", 1000)
        target.send(b"something")
        half_closing.pump()
        end(half_closing, device, target)
        half_closing.pump()
        assert device.events[-1] == ("close",)
        device.transport.release()
        half_closing.pump()
        half_closing.clock.advance(1)
        del device, target
        assert parts_of_substreams() == before
    finally:
        gc.enable()


# --- what comes early


def test_data_and_end_may_come_before_the_target_stands(stage):
    device = stage.connect()
    device.transport.write(b"early")
    device.transport.loseWriteConnection()
    stage.pump()
    target = stage.dial().stands()
    stage.pump()
    assert target.value() == b"early"
    assert target.ended


def test_data_end_and_timeout_may_come_before_the_device_says_where_to(stage):
    device = stage.open()
    device.transport.write(b"early")
    device.transport.emit("_pls_timeout", 1000)
    device.transport.loseWriteConnection()
    device.transport.emit("_pls_connect", 80, PUBLIC)
    stage.pump()
    target = stage.dial().stands()
    stage.pump()
    stage.clock.advance(1)
    stage.pump()
    assert target.value() == b"early"
    assert target.ended
    assert device.events == [("connect",), ("timeout",)]


def test_what_comes_with_the_request_goes_to_a_target_that_stands_at_once_in_one_write(stage):
    stage.connect_target.at_once = True
    device = stage.open()
    device.transport.emit("_pls_connect", 80, PUBLIC)
    device.transport.write(b"one, ")
    device.transport.emit("unknown")  # parts them
    device.transport.write(b"two")
    device.transport.loseWriteConnection()
    stage.pump()
    (target,) = stage.connect_target.stood
    assert target.writes == [b"one, two"]
    assert target.ended
    assert device.events == [("connect",)]


def test_a_request_behind_which_too_much_came_at_once_dials_nothing(stage, logged):
    device = stage.open()
    device.transport.emit("_pls_connect", 80, PUBLIC)
    device.transport.emit("_pls_connect", 81, PUBLIC)
    stage.pump()
    assert not stage.dials
    assert failed_with(device, "connect EISCONN: a second _pls_connect")
    assert closing_line(logged)["outcome"] == "bad_request"


def test_much_early_data_pauses_the_device_until_the_target_stands(stage):
    device = stage.connect()
    for _ in range(3):
        device.transport.write(bytes(PAUSE_BYTES))
    stage.pump()
    substream = stage.server.substreams[2]
    assert len(substream.protocol._early) < 2 * PAUSE_BYTES
    target = stage.dial().stands()
    stage.pump()
    assert len(target.value()) == 3 * PAUSE_BYTES


def test_of_early_data_that_comes_at_once_no_more_is_kept_than_of_what_comes_apart(stage):
    device = stage.connect()
    piece = bytes(PAUSE_BYTES - 7)
    frame = data_header(device.transport.channel, len(piece)) + piece
    stage.server.dataReceived(4 * frame)
    substream = stage.server.substreams[2]
    assert len(substream.protocol._early) < 2 * PAUSE_BYTES
    target = stage.dial().stands()
    stage.pump()
    assert len(target.value()) == 4 * len(piece)


def test_too_much_data_before_the_device_says_where_to_is_an_error(stage, logged):
    device = stage.open()
    for _ in range(TUNNEL_BYTES // 65532 + 2):
        device.transport.write(bytes(65532))
        stage.pump()
    assert failed_with(device, "write ENOBUFS: too much data before _pls_connect")
    assert closing_line(logged)["outcome"] == "too_much_early_data"


# --- requests that cannot be


@pytest.mark.parametrize("args", [(0, "h"), (True, "h"), (80,), (80, ""), ("http", "h"), ()])
def test_a_request_that_cannot_be_is_an_error_on_its_substream_alone(stage, logged, args):
    device = stage.open()
    device.transport.emit("_pls_connect", *args)
    stage.pump()
    assert device.events[0][0] == "error"
    assert device.events[-1] == ("close",)
    assert closing_line(logged)["outcome"] == "bad_request"
    assert stage.relay()


def test_a_second_connect_is_an_error_and_costs_the_first(stage):
    device, target = stage.relay()
    device.transport.emit("_pls_connect", 81, PUBLIC)
    stage.pump()
    assert failed_with(device, "connect EISCONN: a second _pls_connect")
    assert target.aborted


def test_a_second_connect_while_the_first_is_under_way_stops_it(stage):
    device = stage.connect()
    device.transport.emit("_pls_connect", 81, PUBLIC)
    stage.pump()
    assert stage.dial().stopped
    assert device.events[-1] == ("close",)


@pytest.mark.parametrize("ms", [-1, None, "300", True])
def test_a_timeout_that_is_none_is_an_error(stage, ms):
    device, target = stage.relay()
    device.transport.emit("_pls_timeout", ms)
    stage.pump()
    assert device.events[-2][0] == "error"
    assert target.aborted


def test_unknown_events_are_passed_over(stage):
    device, target = stage.relay()
    device.transport.emit("_pls_dance", 1, 2)
    device.transport.write(b"x")
    stage.pump()
    assert target.value() == b"x"


# --- names


def test_a_name_is_looked_up_and_that_is_told(stage):
    device = stage.connect("example.com")
    assert device.events == []
    stage.resolver.answer("example.com", PUBLIC)
    stage.pump()
    assert device.events == [("lookup",)]
    stage.dial().stands()
    stage.pump()
    assert device.events == [("lookup",), ("connect",)]


def test_a_name_that_nobody_can_look_up_now_is_not_told_as_missing(stage, logged):
    device = stage.connect("example.com")
    stage.resolver.cannot_say("example.com")
    stage.pump()
    assert device.events[0] == ("lookup",)
    assert failed_with(device, "getaddrinfo EAI_AGAIN example.com")
    assert closing_line(logged)["outcome"] == "lookup_failed"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "08.1", "exa mple"])
def test_a_name_that_does_not_resolve_is_told_as_looked_up_all_the_same(stage, logged, host):
    device = stage.connect(host)
    if host in stage.resolver.asked:
        stage.resolver.answer(host)
    stage.pump()
    assert device.events[0] == ("lookup",)
    assert failed_with(device, f"getaddrinfo ENOTFOUND {host}")
    assert closing_line(logged)["outcome"] == "lookup_failed"


def test_a_look_up_has_a_deadline(stage):
    device = stage.connect("slow.example")
    stage.clock.advance(stage.config.connect_timeout_s)
    stage.pump()
    assert device.events[0] == ("lookup",)
    assert failed_with(device, "getaddrinfo EAI_AGAIN slow.example")
    stage.resolver.answer("slow.example", PUBLIC)
    assert not stage.dials


# --- policy


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "0x7f.1", "169.254.169.254", "::ffff:10.0.0.1"]
)
def test_an_inner_address_is_refused(stage, logged, host):
    device = stage.connect(host)
    assert failed_with(device, f"connect EACCES {host}:80")
    assert not stage.dials
    assert closing_line(logged)["outcome"] == "refused_by_policy"


def test_a_name_with_one_inner_address_is_refused(stage, logged):
    device = stage.connect("rebind.example")
    stage.resolver.answer("rebind.example", PUBLIC, "10.0.0.1")
    stage.pump()
    assert device.events == [
        ("lookup",),
        ("error", "connect EACCES rebind.example:80"),
        ("close",),
    ]
    assert not stage.dials
    assert closing_line(logged)["address"] == "10.0.0.1"  # the operator sees what was refused


# --- connections that fail


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (error.ConnectionRefusedError(), "ECONNABORTED"),
        (error.getConnectError((111, "refused")), "ECONNREFUSED"),
        (error.getConnectError((113, "no route")), "EHOSTUNREACH"),
        (error.getConnectError((101, "no network")), "ENETUNREACH"),
        (error.getConnectError((110, "timed out")), "ETIMEDOUT"),
        (error.ConnectBindError(24, "too many files"), "EMFILE"),
        (error.getConnectError((99999, "what?")), "ECONNABORTED"),
        (error.TimeoutError(), "ETIMEDOUT"),
    ],
)
def test_a_connection_that_fails_is_told_in_nodes_words(stage, logged, reason, code):
    device = stage.connect()
    stage.dial().fails(reason)
    stage.pump()
    assert failed_with(device, f"connect {code} {PUBLIC}:80")
    assert closing_line(logged)["outcome"] == "connect_failed"


def test_a_connection_has_a_deadline(stage):
    device = stage.connect()
    stage.clock.advance(stage.config.connect_timeout_s)
    stage.pump()
    assert failed_with(device, f"connect ETIMEDOUT {PUBLIC}:80")
    assert stage.dial().stopped


def test_a_bug_costs_its_substream_alone_and_is_logged(stage, logged, monkeypatch, logged_failures):
    monkeypatch.setattr(Standing, "refusal", lambda *_: 1 / 0)
    device = stage.connect()
    assert failed_with(device, "connect ECONNABORTED: internal error of the proxy")
    assert closing_line(logged)["outcome"] == "internal_error"
    assert logged_failures.flush(ZeroDivisionError)
    monkeypatch.undo()
    assert stage.relay()


def test_a_bug_in_mid_relay_resets_the_target(stage, logged, monkeypatch, logged_failures):
    device, target = stage.relay()
    monkeypatch.setattr(outbound.Outbound, "_write", lambda *_: 1 / 0)
    device.transport.write(b"x")
    stage.pump()
    assert target.aborted
    assert closing_line(logged)["outcome"] == "internal_error"
    assert logged_failures.flush(ZeroDivisionError)


# --- ends


def test_the_devices_end_half_closes_the_target_whose_answer_still_comes(stage, logged):
    device, target = stage.relay()
    device.transport.write(b"12345")
    device.transport.loseWriteConnection()
    stage.pump()
    assert target.ended
    assert not target.closed
    target.send(b"5\n")
    target.end()
    stage.pump()
    assert device.data == b"5\n"
    assert device.calls[-3:] == ["data", "read lost", "close"]
    assert target.closed
    assert closing_line(logged)["outcome"] == "ended"


def test_the_targets_end_closes_all_to_an_original_device(stage):
    device, target = stage.relay()
    target.send(b"bye")
    target.end()
    stage.pump()
    assert device.data == b"bye"
    assert device.calls[-3:] == ["data", "read lost", "close"]
    assert target.closed
    assert not stage.server.substreams


def test_what_the_device_had_sent_is_written_out_when_the_target_ends(stage):
    device, target = stage.relay()
    target.takes_nothing()
    for piece in (b"one ", b"two ", b"three"):
        device.transport.write(piece)
        stage.pump()
    device.transport.loseWriteConnection()
    stage.pump()
    assert target.value() == b"one "
    target.end()
    assert target.value() == b"one two three"
    assert target.ended
    assert target.closed


def test_an_error_among_what_was_held_ends_the_substream_once(stage, logged):
    device, target = stage.relay()
    target.takes_nothing()
    device.transport.write(b"x")
    device.transport.emit("_pls_connect", 80, PUBLIC)
    stage.pump()
    target.end()
    stage.pump()
    assert device.events.count(("close",)) == 1
    assert target.aborted
    assert closing_line(logged)["outcome"] == "bad_request"


def test_with_halfclose_the_targets_end_leaves_the_other_direction_open(half_closing, logged):
    device, target = half_closing.relay()
    target.end()
    half_closing.pump()
    assert "read lost" in device.calls
    assert device.events == [("connect",)]
    device.transport.write(b"more")
    half_closing.pump()
    assert target.value() == b"more"
    device.transport.loseWriteConnection()
    half_closing.pump()
    assert device.events[-1] == ("close",)
    assert target.closed
    assert closing_line(logged)["outcome"] == "ended"


def test_the_devices_error_resets_the_target(stage, logged):
    device, target = stage.relay()
    device.transport.fail("client side trouble")
    device.transport.write(b"too late")
    stage.pump()
    assert target.aborted
    assert target.value() == b""
    assert device.calls[-2:] == ["read lost", "close"]
    assert ("error",) not in [event[:1] for event in device.events]
    assert closing_line(logged)["outcome"] == "failed_by_device"


def test_the_devices_error_stops_a_connection_under_way(stage):
    device = stage.connect()
    device.transport.fail("never mind")
    stage.pump()
    assert stage.dial().stopped
    assert device.events == ENDED


def test_the_devices_error_reaches_a_target_that_takes_nothing(stage):
    device, target = stage.relay()
    target.takes_nothing()
    device.transport.write(bytes(10))
    stage.pump()
    device.transport.write(bytes(10))
    device.transport.fail("enough")
    stage.pump()
    assert target.aborted


def test_a_target_that_resets_is_told_as_node_does(stage, logged):
    device, target = stage.relay()
    target.send(b"half of")
    target.reset()
    stage.pump()
    assert device.data == b"half of"
    assert failed_with(device, "read ECONNRESET")
    assert closing_line(logged)["outcome"] == "reset_by_target"


def test_a_target_that_resets_after_its_end_is_a_broken_pipe(half_closing):
    device, target = half_closing.relay()
    target.end()
    target.reset()
    half_closing.pump()
    assert device.events[-2:] == [("error", "write EPIPE"), ("close",)]


def test_nothing_more_is_said_of_a_target_that_was_aborted(stage):
    device, target = stage.relay()
    device.transport.fail("trouble")
    stage.pump()
    target.send(b"late")
    target.end()
    target.lose(error.ConnectionAborted())
    stage.pump()
    assert device.events[-1] == ("close",)
    assert device.data == b""


# --- the tunnel's end


def test_the_tunnels_end_resets_targets_whose_device_had_not_ended(stage, logged):
    _, target = stage.relay()
    stage.device.loseConnection()
    stage.pump()
    assert target.aborted
    assert closing_line(logged)["outcome"] == "tunnel_lost"


def test_the_tunnels_end_leaves_what_the_device_had_ended_whole(stage):
    device, target = stage.relay()
    device.transport.write(b"upload")
    device.transport.loseWriteConnection()
    stage.pump()
    stage.connection.cut()
    assert target.value() == b"upload"
    assert target.closed
    assert not target.aborted


def test_what_a_device_has_ended_is_whole_however_slow_its_target(stage):
    device, target = stage.relay()
    target.takes_nothing()
    device.transport.write(b"one")
    stage.pump()
    device.transport.write(b"two")
    device.transport.loseWriteConnection()
    stage.pump()
    stage.connection.cut()
    assert target.value() == b"onetwo"
    assert target.closed
    assert not target.aborted


def test_what_a_device_has_not_ended_is_reset_however_much_of_it_is_held(stage):
    device, target = stage.relay()
    target.takes_nothing()
    device.transport.write(b"one")
    stage.pump()
    device.transport.write(b"two")
    stage.pump()
    stage.connection.cut()
    assert target.value() == b"one"
    assert target.aborted


def test_the_tunnels_end_with_a_target_half_closed_by_itself_resets_it(half_closing):
    _, target = half_closing.relay()
    target.end()
    half_closing.connection.cut()
    assert target.aborted


def test_the_tunnels_end_stops_look_ups_dials_and_those_who_wait(stage, logged):
    stage.open()
    stage.connect("slow.example")
    stage.connect()
    stage.connection.cut()
    assert stage.dial().stopped
    stage.resolver.answer("slow.example", PUBLIC)
    assert len(stage.dials) == 1
    outcomes = [line["outcome"] for line in logged.named("substream_closed")]
    assert outcomes == ["tunnel_lost"] * 3
    assert not stage.clock.getDelayedCalls()


# --- backpressure


def test_a_target_that_takes_nothing_pauses_its_device_and_no_other(stage):
    device, target = stage.relay()
    target.takes_nothing()
    for _ in range(3):
        device.transport.write(b"12345")
        stage.pump()
    assert target.value() == b"12345"
    other, other_target = stage.relay()
    other.transport.write(b"x")
    stage.pump()
    assert other_target.value() == b"x"
    target.takes_all()
    assert target.value() == b"12345" * 3


def test_a_target_that_holds_up_the_tunnel_for_too_long_is_given_up(stage, logged):
    device, target = stage.relay()
    _, other = stage.relay()
    target.takes_nothing()
    device.transport.write(bytes(1_000_000))
    stage.pump()
    stage.clock.advance(MAX_STALL_S)
    stage.pump()
    assert device.events[-2][1].startswith("ETIMEDOUT: no data was taken for 120 s")
    assert device.events[-1] == ("close",)
    assert target.aborted
    assert not other.aborted
    assert closing_line(logged)["outcome"] == "stalled"


def test_a_device_that_takes_nothing_pauses_the_target(stage):
    _, target = stage.relay()
    stage.connection.ends[1].producer.pauseProducing()
    target.send(bytes(65_000))
    assert target.reading
    target.send(bytes(65_000))
    assert not target.reading
    stage.connection.ends[1].producer.resumeProducing()
    stage.pump()
    assert target.reading


def test_a_lost_target_stops_no_device(stage):
    device, target = stage.relay()
    target.lose(error.ConnectionLost())
    stage.pump()
    assert device.events[-1] == ("close",)
    assert stage.relay()


# --- the idle timer


def timeouts(device):
    return device.events.count(("timeout",))


def test_silence_is_told_once_and_again_after_the_next_activity(stage):
    device, target = stage.relay()
    device.transport.emit("_pls_timeout", 300)
    stage.pump()
    stage.clock.advance(0.3)
    stage.clock.advance(5)
    stage.pump()
    assert timeouts(device) == 1
    target.send(b"x")
    stage.clock.advance(0.3)
    stage.pump()
    assert timeouts(device) == 2
    assert not target.closed


@pytest.mark.parametrize("who", ["device", "target", "progress"])
def test_activity_in_either_direction_puts_the_timeout_off(stage, who):
    device, target = stage.relay()
    device.transport.emit("_pls_timeout", 1000)
    stage.pump()
    for _ in range(3):
        stage.clock.advance(0.75)
        if who == "device":
            device.transport.write(b"x")
        elif who == "target":
            target.send(b"x")
        else:
            target.takes_all()
        stage.pump()
    assert timeouts(device) == 0


def test_a_timeout_counts_while_the_target_is_still_to_be_reached(stage):
    device = stage.connect()
    device.transport.emit("_pls_timeout", 1000)
    stage.pump()
    stage.clock.advance(1)
    stage.pump()
    assert device.events == [("timeout",)]


def test_a_timeout_of_0_disarms(stage):
    device, _ = stage.relay()
    device.transport.emit("_pls_timeout", 300)
    device.transport.emit("_pls_timeout", 0)
    stage.pump()
    stage.clock.advance(1)
    stage.pump()
    assert timeouts(device) == 0


# --- the table


@pytest.mark.parametrize("state", RelayState)
@pytest.mark.parametrize("what", RelayInput)
def test_the_table_has_every_state_and_closed_is_the_end(state, what):
    allowed = TRANSITIONS[state]
    assert (RelayInput.CLOSE in allowed) == (state is not RelayState.CLOSED)
    assert allowed.get(what, RelayState.CLOSED) in RelayState


@pytest.mark.parametrize("state", RelayState)
def test_what_comes_from_the_device_is_safe_in_every_state(state):
    stage = Stage()
    stage.authenticate()
    stage.relay()
    protocol = stage.server.substreams[2].protocol
    protocol._state = state
    protocol.dataReceived(b"x")
    protocol._state = state
    protocol.readConnectionLost()
    protocol._state = state
    if state is RelayState.CLOSED:
        protocol.customReceived("_pls_connect", (80, PUBLIC))
        protocol.errorReceived("x")
        assert protocol._state is RelayState.CLOSED
