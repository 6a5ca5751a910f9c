"""Each client against a proxy that the test controls: what a real one does rarely, or never."""

import time
import zlib
from contextlib import closing

import pytest
import trustme

from support.clients.driver import pattern
from support.clients.scripted_proxy import (
    ACCEPTED,
    FEATURES,
    ORIGINAL,
    WINDOW,
    ScriptedProxy,
    message,
)
from support.dialogues import Frame
from support.frame_socket import GoneError
from support.hardening.device import control, credit, data, end, event

CLOSES_S = 5.0  # after a fault
QUIET_S = 0.3


def json_frame(channel, text):
    return Frame(False, channel, False, text).wire


def failure(channel, text):
    return json_frame(channel, b'{"event":"error","message":"%s"}' % text)


def filling(channel, count):
    """Return data messages that carry so many bytes of the pattern."""
    pieces = ((at, min(512, count - at)) for at in range(0, count, 512))
    return b"".join(data(channel, pattern(nbytes, at)) for at, nbytes in pieces)


def established(driver, tunnel, name="1"):
    """Open a substream that the proxy says is established; return its number."""
    driver.ok("open", name, "net", "target.example", 80)
    channel, kind, target = tunnel.opening()
    assert (kind, target) == ("net", (80, "target.example"))
    tunnel.send(event(channel, "connect"))
    driver.ok("established", name)
    return channel


# The token.


def test_the_first_message_is_the_token_and_then_the_client_waits(driver, proxy):
    proxy.ask(driver)
    with proxy.secured() as tunnel:
        assert tunnel.said() == (0, {"type": "message", "object": tunnel_hello(driver, WINDOW)})
        assert tunnel.quiet(QUIET_S) == []
        tunnel.send(message(ACCEPTED))
        driver.heard_ok()


class tunnel_hello:  # noqa: N801 -- compares like a value
    """Equals each first message with the token and the features that the driver declared."""

    def __init__(self, driver, window):
        self._features = {word for word in driver.can if word in FEATURES}
        self._window = window

    def __eq__(self, said):
        if set(said.get("features", ())) - {"device/1"} != self._features - {"device/1"}:
            return False
        return said["token"] == "DEV-CRED" and ("window" in said) == ("credit/1" in self._features)

    __hash__ = None


@pytest.mark.parametrize("retry", [True, False])
@pytest.mark.needs("retry/1")
def test_a_refusal_says_whether_to_try_again(driver, proxy, retry):
    proxy.ask(driver)
    with proxy.secured() as tunnel:
        tunnel.said()
        tunnel.send(message({"authed": False, "retry": retry, "features": FEATURES}))
        word, _, again, *_ = driver.heard().split(" ")
        assert (word, again) == ("refused", "yes" if retry else "no")
        tunnel.wait_until_gone(CLOSES_S)


@pytest.mark.needs("message/1", "reason/1")
def test_the_operators_words_reach_the_program_without_control_characters(driver, proxy):
    proxy.ask(driver)
    with proxy.secured() as tunnel:
        tunnel.said()
        refusal = {"authed": False, "retry": True, "reason": "refused", "retry_after_ms": 1500}
        tunnel.send(message(refusal | {"message": "back\nat 9\x1b[0m\x9b1m", "features": FEATURES}))
        word, reason, again, after_ms, text = driver.heard().split(" ", 4)
        assert (word, again, after_ms) == ("refused", "yes", "1500")
        assert reason in ("refused", "-")
        assert "back at 9[0m1m" in text


def test_an_original_refusal_is_final(driver, proxy):
    proxy.ask(driver)
    with proxy.secured() as tunnel:
        tunnel.said()
        tunnel.send(message({"authed": False}))
        assert driver.heard().split(" ")[::2][:2] == ["refused", "no"]


def test_a_proxy_with_another_authority_gets_no_token(driver, proxy, tmp_path_factory):
    other = ScriptedProxy(trustme.CA(), tmp_path_factory.mktemp("other"))
    proxy.ask(driver, port=other.port)
    is_left_without_a_token(other)
    assert driver.heard().startswith("error ")


def test_a_proxy_with_another_name_gets_no_token(driver, authority, proxy, tmp_path):
    elsewhere = ScriptedProxy(_Elsewhere(authority), tmp_path)
    proxy.ask(driver, port=elsewhere.port)
    is_left_without_a_token(elsewhere)
    assert driver.heard().startswith("error ")


def is_left_without_a_token(proxy):
    with closing(proxy), pytest.raises(GoneError), proxy.secured() as tunnel:
        tunnel.said()


class _Elsewhere:
    """The authority, which issues certificates for another host."""

    def __init__(self, authority):
        self.issue_cert = lambda _name: authority.issue_cert("elsewhere.example")
        self.cert_pem = authority.cert_pem


# Substreams.


def test_substreams_have_even_numbers_that_count_up(driver, proxy):
    with proxy.opened(driver) as tunnel:
        assert [established(driver, tunnel, name) for name in "123"] == [2, 4, 6]


def test_a_failure_reaches_the_program_with_its_code_word(driver, proxy):
    with proxy.opened(driver) as tunnel:
        driver.ok("open", 1, "net", "target.example", 80)
        channel, *_ = tunnel.opening()
        tunnel.send(failure(channel, b"getaddrinfo ENOTFOUND target.example"))
        tunnel.send(end(channel), event(channel, "close"))
        assert driver.fails("established", 1) == "ENOTFOUND"
        assert tunnel.said() == (channel, {"event": "end"})


def test_unknown_things_are_ignored(driver, proxy):
    with proxy.opened(driver) as tunnel:
        tunnel.send(control(type="news", object={"a": [1, None, "\u20ac"]}))
        tunnel.send(message({"authed": True, "more": 1}))
        channel = established(driver, tunnel)
        tunnel.send(json_frame(channel, b'{"event":"dance","emitArgs":7}'))
        tunnel.send(event(channel, "waltz", 1, {"event": "end"}))
        tunnel.send(data(channel, b"still here"))
        assert driver.ask("recv", 1, 100) == "data " + b"still here".hex()


def test_frames_may_come_byte_by_byte(driver, proxy):
    with proxy.opened(driver) as tunnel:
        channel = established(driver, tunnel)
        for byte in data(channel, b"slow") + end(channel):
            tunnel.send(bytes([byte]))
        assert driver.ask("take", 1, 4) == f"ok 4 {zlib.crc32(b'slow'):08x}"
        assert driver.ask("recv", 1, 1) == "end"


@pytest.mark.needs("early")
def test_early_data_and_end_need_no_answer(driver, proxy):
    with proxy.opened(driver) as tunnel:
        driver.ok("open", 1, "net", "target.example", 80)
        driver.ok("send", 1, b"early".hex())
        driver.ok("end", 1)
        channel, *_ = tunnel.opening()
        assert tunnel.frame().payload == b"early"
        assert tunnel.said() == (channel, {"event": "end"})


def test_after_close_comes_end_and_the_number_is_free(driver, proxy):
    with proxy.opened(driver) as tunnel:
        channel = established(driver, tunnel)
        tunnel.send(data(channel, b"x"), end(channel), event(channel, "close"))
        assert driver.ask("take", 1, 9) == f"ok 1 {zlib.crc32(b'x'):08x}"
        assert tunnel.said() == (channel, {"event": "end"})


def test_what_the_peer_still_sends_on_a_finished_substream_is_dropped(driver, proxy):
    with proxy.opened(driver) as tunnel:
        channel = established(driver, tunnel)
        driver.ok("end", 1)
        tunnel.send(end(channel), event(channel, "close"))
        assert driver.ask("recv", 1, 1) == "end"
        driver.ok("close", 1)
        tunnel.send(data(channel, b"late"), event(channel, "close"))
        established(driver, tunnel, "2")


@pytest.mark.needs("credit/1")
def test_a_program_that_closes_early_resets_the_substream(driver, proxy):
    with proxy.opened(driver) as tunnel:
        channel = established(driver, tunnel)
        tunnel.send(data(channel, b"unread"))
        time.sleep(QUIET_S)
        driver.ok("close", 1)
        said = {frame.payload for frame in tunnel.quiet(QUIET_S) if frame.channel == channel}
        assert b'{"event":"reset"}' in said
        tunnel.send(end(channel), event(channel, "close"))
        said |= {frame.payload for frame in tunnel.quiet(QUIET_S)}
        assert b'{"event":"end"}' in said


@pytest.mark.needs("abandons")
def test_a_program_that_gives_up_a_connection_attempt_aborts_it(driver, proxy):
    with proxy.opened(driver) as tunnel:
        driver.ok("open", 1, "net", "target.example", 80)
        channel, *_ = tunnel.opening()
        driver.ok("close", 1)
        frames = [frame.payload for frame in tunnel.quiet(QUIET_S) if frame.channel == channel]
        assert b'{"event":"reset"}' in frames or any(b'"error"' in each for each in frames)


@pytest.mark.needs("abort")
def test_an_aborted_substream_reports_an_error(driver, proxy):
    with proxy.opened(driver) as tunnel:
        channel = established(driver, tunnel)
        driver.ok("abort", 1)
        where, said = tunnel.said()
        assert (where, said["event"]) == (channel, "error")


@pytest.mark.needs("credit/1")
def test_a_reset_of_the_proxy_fails_the_programs_writes(driver, proxy):
    with proxy.opened(driver) as tunnel:
        channel = established(driver, tunnel)
        tunnel.send(json_frame(channel, b'{"event":"reset"}'))
        tunnel.send(end(channel), event(channel, "close"))
        time.sleep(QUIET_S)
        driver.limit(1000)
        assert driver.ask("recv", 1, 1) in ("end", "error") or driver.fails("recv", 1, 1) in (
            "ECONNRESET",
            "EPIPE",
        )


# Flow control.


@pytest.mark.needs("credit/1")
def test_a_stalled_program_grants_nothing_and_a_reading_one_grants_again(driver, proxy):
    with proxy.opened(driver, window=1024) as tunnel:
        channel, window = established(driver, tunnel), tunnel.clients_window
        tunnel.send(filling(channel, window))
        assert tunnel.quiet(QUIET_S) == []
        if "held" in driver.can:
            assert driver.ok("held", 1) == [str(window)]
        assert driver.ask("take", 1, window) == f"ok {window} {zlib.crc32(pattern(window)):08x}"
        where, said = tunnel.said()
        assert (where, said["event"]) == (channel, "credit")
        assert 0 < said["bytes"] <= window * 2  # a window may grow


@pytest.mark.needs("credit/1")
def test_the_client_stays_within_the_credit(driver, proxy):
    with proxy.opened(driver, ACCEPTED | {"window": 1000}) as tunnel:
        channel = established(driver, tunnel)
        driver.tell("push", 1, 5000)
        assert sum(len(frame.payload) for frame in tunnel.quiet(QUIET_S)) == 1000
        driver.heard_ok()
        tunnel.send(credit(channel, 300))
        driver.limit(1000)
        driver.tell("push", 1, 1)
        assert sum(len(frame.payload) for frame in tunnel.quiet(QUIET_S)) <= 300


@pytest.mark.needs("credit/1")
def test_writing_goes_on_with_each_credit_and_loses_nothing(driver, proxy):
    with proxy.opened(driver, ACCEPTED | {"window": 100}) as tunnel:
        channel = established(driver, tunnel)
        driver.tell("fill", 1, 5000)
        received = b""
        while len(received) < 5000:
            frame = tunnel.frame()
            assert frame.is_data
            received += frame.payload
            tunnel.send(credit(channel, len(frame.payload)))
        assert received == pattern(5000)
        driver.heard_ok()


@pytest.mark.needs("credit/1")
def test_one_stalled_substream_does_not_stall_another(driver, proxy):
    with proxy.opened(driver, window=1024) as tunnel:
        stalled, other = established(driver, tunnel, "1"), established(driver, tunnel, "2")
        tunnel.send(filling(stalled, tunnel.clients_window), data(other, b"hello"))
        assert driver.ask("recv", 2, 100) == "data " + b"hello".hex()


# Ping and goaway.


@pytest.mark.needs("ping/1")
@pytest.mark.parametrize("ping_id", [7, "text \u20ac", -(2**53) + 1])
def test_a_ping_gets_its_pong(driver, proxy, ping_id):
    with proxy.opened(driver) as tunnel:
        tunnel.send(control(type="ping", id=ping_id))
        assert tunnel.said() == (0, {"type": "pong", "id": ping_id})


@pytest.mark.needs("pings")
def test_the_client_pings_and_hears_the_answer(driver, proxy):
    with proxy.opened(driver) as tunnel:
        driver.tell("ping")
        _, said = tunnel.said()
        tunnel.send(control(type="pong", id=said["id"]))
        driver.heard_ok()


@pytest.mark.needs("goaway/1")
def test_after_a_goaway_open_substreams_go_on_and_the_last_one_ends_the_tunnel(driver, proxy):
    with proxy.opened(driver) as tunnel:
        channel = established(driver, tunnel)
        tunnel.send(control(type="goaway", after_ms=0), data(channel, b"on"))
        assert driver.ask("recv", 1, 2) == "data " + b"on".hex()
        assert driver.ok("state") == ["going"]
        tunnel.send(end(channel), event(channel, "close"))
        assert driver.ask("recv", 1, 1) == "end"
        driver.ok("close", 1)
        tunnel.wait_until_gone(CLOSES_S)


# Numbers.


@pytest.mark.needs("numbers", "reuse/1")
def test_numbers_start_again_after_65534_and_skip_those_in_use(driver, proxy):
    with proxy.opened(driver) as tunnel:
        assert established(driver, tunnel, "first") == 2
        driver.ok("numbers", 65_532)
        used = [established(driver, tunnel, name) for name in "ab"]
        for channel in used:
            tunnel.send(end(channel), event(channel, "close"))
        for name in "ab":
            assert driver.ask("recv", name, 1) == "end"
            driver.ok("close", name)
        tunnel.quiet(QUIET_S)
        assert used == [65_532, 65_534]
        assert established(driver, tunnel, "c") == 4


@pytest.mark.needs("numbers")
def test_without_reuse_no_number_is_used_twice(driver, proxy):
    with proxy.opened(driver, ORIGINAL) as tunnel:
        driver.ok("numbers", 65_534)
        assert established(driver, tunnel) == 65_534
        driver.limit(1000)
        driver.tell("open", 2, "net", "target.example", 80)
        assert tunnel.quiet(QUIET_S) == []
        driver.heard()


# Loss and hostile bytes.


@pytest.mark.parametrize("how", ["cut", "reset"])
def test_a_lost_tunnel_is_no_clean_end_of_its_substreams(driver, proxy, how):
    with proxy.opened(driver) as tunnel:
        channel = established(driver, tunnel)
        tunnel.send(data(channel, b"half"))
        assert driver.ask("recv", 1, 100) == "data " + b"half".hex()
        getattr(tunnel, how)()
        assert driver.fails("recv", 1, 1) == "ECONNRESET"
        assert driver.ok("lost")[0] == "ECONNRESET"
        assert driver.ok("state")[0] == "closed"


def test_after_a_loss_the_next_tunnel_works(driver, proxy):
    proxy.opened(driver).cut()
    driver.ok("lost")
    with proxy.opened(driver) as tunnel:
        established(driver, tunnel)


@pytest.mark.parametrize(
    "step", ["before TLS", "before the token", "before the answer", "in the answer"]
)
def test_a_loss_while_the_tunnel_is_made_is_reported_at_once(driver, proxy, step):
    proxy.ask(driver)
    if step == "before TLS":
        proxy.accept().close()
    else:
        tunnel = proxy.secured()
        if step != "before the token":
            tunnel.said()
        if step == "in the answer":
            tunnel.send(message(ACCEPTED)[:20])
        tunnel.cut()
    assert driver.heard().startswith("error ")


@pytest.mark.parametrize("step", ["asked", "connected", "data", "end"])
def test_a_loss_at_each_step_of_a_substream_fails_it(driver, proxy, step):
    with proxy.opened(driver) as tunnel:
        driver.ok("open", 1, "net", "target.example", 80)
        channel, *_ = tunnel.opening()
        if step != "asked":
            tunnel.send(event(channel, "connect"))
            driver.ok("established", 1)
        if step == "data":
            tunnel.send(data(channel, b"x" * 100)[:50])
        if step == "end":
            tunnel.send(end(channel)[:-1])
        tunnel.cut()
        waiting = ("established", 1) if step == "asked" else ("take", 1, 1000)
        assert driver.fails(*waiting) == "ECONNRESET"


FAULTS = {
    "a frame of length 0": b"\x00\x00",
    "a frame too short": b"\x00\x02\x00\x02",
    "an unknown type": b"\x00\x04\x00\x02\x02x",
    "data on the control channel": b"\x00\x04\x00\x00\x00x",
    "JSON that is none": json_frame(0, b'{"type":'),
    "JSON of no bytes": json_frame(2, b""),
    "JSON that is no object": json_frame(0, b"[1]"),
    "text that is no UTF-8": json_frame(0, b'{"type":"\xff"}'),
    "a number never opened": data(400, b"x"),
    "a second end": end(2) + end(2),
    "data after the end": end(2) + data(2, b"x"),
}
CREDIT_FAULTS = {
    "an empty data message": data(2, b""),
    "credit of 0": credit(2, 0),
    "credit that is no integer": json_frame(2, b'{"event":"credit","bytes":1.5}'),
    "credit that is true": json_frame(2, b'{"event":"credit","bytes":true}'),
    "credit that overflows": credit(2, 2**31 - 1),
    "more data than granted": None,
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_closes_the_tunnel_and_fails_its_substreams(driver, proxy, what):
    with proxy.opened(driver) as tunnel:
        established(driver, tunnel)
        tunnel.send(FAULTS[what])
        tunnel.wait_until_gone(CLOSES_S)
        assert driver.ok("lost")[0] == "ECONNRESET"
    with proxy.opened(driver) as tunnel:
        established(driver, tunnel, "2")


@pytest.mark.needs("credit/1")
@pytest.mark.parametrize("what", CREDIT_FAULTS)
def test_a_fault_of_flow_control_closes_the_tunnel(driver, proxy, what):
    with proxy.opened(driver, window=1024) as tunnel:
        channel = established(driver, tunnel)
        # one byte too many; more would meet a client that has already closed the connection
        beyond = filling(channel, tunnel.clients_window) + data(channel, b"x")
        tunnel.send(CREDIT_FAULTS[what] or beyond)
        tunnel.wait_until_gone(CLOSES_S)
        assert driver.ok("lost")[0] == "ECONNRESET"
