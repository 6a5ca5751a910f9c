"""Each client against the recorded answers of the original server, which knows no features.

The recordings play the server's side: each of its frames is sent once the client has sent
the frames that came before it. How data is cut into frames is free.
"""

import zlib
from pathlib import Path

import pytest

from support.clients.scripted_proxy import ORIGINAL
from support.dialogues import parse

RECORDED = Path(__file__).parents[1] / "tunnel"


class Replayed:
    """The server's side of a recording, for the substream 2, over a scripted tunnel."""

    def __init__(self, tunnel, name):
        self._tunnel = tunnel
        dialogue = parse(RECORDED / f"{name}.txt")
        self._frames = [frame for frame in dialogue.frames if frame.channel]

    def play(self):
        """Send the server's next frames, up to the client's next frame."""
        while self._frames and not self._frames[0].from_client:
            self._tunnel.send(self._frames.pop(0).wire)

    def hear(self):
        """Expect the client's next frames, up to the server's next one."""
        while self._frames and self._frames[0].from_client:
            expected = self._frames.pop(0)
            heard = self._tunnel.frame()
            assert (heard.channel, heard.is_data, heard.payload) == (
                expected.channel,
                expected.is_data,
                expected.payload,
            )


@pytest.fixture
def tunnel(driver, proxy):
    with proxy.opened(driver, ORIGINAL) as tunnel:
        yield tunnel


def opened(driver, tunnel, name, port=17000, *, host="127.0.0.1", kind="net"):
    """Open the substream of a recording, and return the rest of the recording."""
    replayed = Replayed(tunnel, name)
    driver.ok("open", 1, kind, host, port)
    assert tunnel.said() == (0, {"type": "stream", "sock": 2, "name": kind})
    replayed.hear()
    return replayed


def test_an_echo_and_both_ends(driver, tunnel):
    recording = opened(driver, tunnel, "net_echo10")
    recording.play()
    driver.ok("established", 1)
    driver.ok("send", 1, b"0123456789".hex())
    recording.hear()
    recording.play()
    assert driver.ask("take", 1, 10) == f"ok 10 {zlib.crc32(b'0123456789'):08x}"
    driver.ok("end", 1)
    recording.hear()
    recording.play()
    assert driver.ask("recv", 1, 1) == "end"


def test_a_target_that_ends_first(driver, tunnel):
    opened(driver, tunnel, "end_by_target", port=17005).play()
    driver.ok("established", 1)
    assert driver.ask("take", 1, 10) == f"ok 3 {zlib.crc32(b'bye'):08x}"
    assert tunnel.said() == (2, {"event": "end"})


def test_the_answer_after_the_clients_end(driver, tunnel):
    recording = opened(driver, tunnel, "end_by_client_half", port=17001)
    recording.play()
    driver.ok("established", 1)
    driver.ok("send", 1, recording._frames[0].payload.hex())
    driver.ok("end", 1)
    recording.hear()
    recording.play()
    assert driver.ask("recv", 1, 100) == "data " + b"5\n".hex()
    assert driver.ask("recv", 1, 100) == "end"


@pytest.mark.parametrize(
    ("name", "target", "code"),
    [
        ("refused", ("127.0.0.1", 17019), "ECONNREFUSED"),
        ("dns_fail", ("no-such-host.invalid", 80), "ENOTFOUND"),
    ],
)
def test_a_failure(driver, tunnel, name, target, code):
    opened(driver, tunnel, name, target[1], host=target[0]).play()
    assert driver.fails("established", 1) == code
    assert tunnel.said() == (2, {"event": "end"})


@pytest.mark.needs("tls")
def test_tls_by_the_server(driver, tunnel):
    recording = opened(driver, tunnel, "tls_ca", 17011, host="localhost", kind="tls")
    recording.play()
    driver.ok("established", 1)
    driver.ok("send", 1, recording._frames[0].payload.hex())
    recording.hear()
    recording.play()
    assert driver.ask("take", 1, 10).startswith("ok 10 ")


@pytest.mark.needs("early")
def test_data_and_end_before_the_connection(driver, tunnel):
    recording = Replayed(tunnel, "write_before_connect")
    driver.ok("open", 1, "net", "127.0.0.1", 17000)
    driver.ok("send", 1, b"early data".hex())
    driver.ok("end", 1)
    assert tunnel.said()[0] == 0
    recording.hear()
    recording.play()
    driver.ok("established", 1)
    assert driver.ask("take", 1, 11) == f"ok 10 {zlib.crc32(b'early data'):08x}"


def test_a_large_frame_reaches_a_client_of_any_window(driver, tunnel):
    """Without `credit/1` the client's window is not known to the server."""
    recording = opened(driver, tunnel, "net_echo10")
    recording.play()
    driver.ok("established", 1)
    wire = b"".join([b"\x75\x33\x00\x02\x00", bytes(30_000)])
    tunnel.send(wire, wire)
    assert driver.ask("take", 1, 60_000) == f"ok 60000 {zlib.crc32(bytes(60_000)):08x}"
