"""Programs of the MicroPython ecosystem run over the tunnel, with one import more."""

import socket
import ssl
import threading
from contextlib import closing

import pytest

PAGE_BYTES = 20_000


def test_requests_fetches_pages(board, sites):
    url = f"http://127.0.0.1:{sites['http']}/"
    printed = board.run("with_requests", f"{url}{PAGE_BYTES}", f"{url}5")
    assert printed.split() == ["200", str(PAGE_BYTES), "200", "5"]


def test_requests_fetches_a_page_by_tls_of_the_proxy(board, sites):
    board.settings(proxy_tls=[sites["https"]])
    url = f"https://localhost:{sites['https']}/{PAGE_BYTES}"
    assert board.run("with_requests", url).split() == ["200", str(PAGE_BYTES)]


def test_requests_fetches_a_page_by_its_own_tls(board, sites):
    url = f"https://localhost:{sites['https']}/{PAGE_BYTES}"
    assert board.run("with_requests", url).split() == ["200", str(PAGE_BYTES)]


def test_a_program_verifies_its_target_end_to_end(board, targets, tmp_path):
    authority = tmp_path / "authority.der"
    pem = targets.authority.cert_pem.bytes().decode()
    authority.write_bytes(ssl.PEM_cert_to_DER_cert(pem))
    printed = board.run("with_own_tls", "localhost", targets.ports["tls"], authority)
    assert printed == "b'a secret'\n"


def test_asyncios_streams_share_the_tunnel(board, targets):
    printed = board.run("with_asyncio", "127.0.0.1", targets.ports["echo"])
    assert printed == "[True, True, True, True]\n"


def test_umqtt_publishes_and_gets_what_it_subscribed_to(board, broker):
    assert board.run("with_umqtt", "127.0.0.1", broker) == "b'lamp' b'on'\n"


def test_without_settings_no_socket_goes_around_the_tunnel(python):
    expected = "no tunnel: settings.py has no TOKEN, and tunneled.install was not called\n"
    assert python.run("without_settings") == expected
    (python.folder / "settings.py").write_text("")  # what a failed `tessel join` leaves
    assert python.run("without_settings") == expected


BAD_MOMENTS = "pause loss abort attempt unconnected memory loss_without_memory"


@pytest.mark.parametrize("case", BAD_MOMENTS.split())
def test_what_programs_do_at_bad_moments_leaves_nothing_half_done(python, case):
    assert python.run("misuse", case) == "ok\n"


@pytest.fixture
def broker():
    """The port of an MQTT broker for one client; it sends back what that publishes."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        serving = threading.Thread(target=_serve_mqtt, args=(listener,), daemon=True)
        serving.start()
        yield listener.getsockname()[1]
        serving.join(5)


def _serve_mqtt(listener):
    peer, _ = listener.accept()
    with peer, peer.makefile("rb") as stream:
        while head := stream.read(1):
            body = stream.read(stream.read(1)[0])  # short packets: one byte of length
            match head[0] >> 4:
                case 1:  # CONNECT
                    assert body[:6] == b"\x00\x04MQTT"
                    peer.sendall(b"\x20\x02\x00\x00")
                case 8:  # SUBSCRIBE
                    peer.sendall(b"\x90\x03" + body[:2] + b"\x00")
                case 3:  # PUBLISH with QoS 1: acknowledged, then sent to the subscriber
                    topic_end = 2 + int.from_bytes(body[:2], "big")
                    peer.sendall(b"\x40\x02" + body[topic_end : topic_end + 2])
                    sent = body[:topic_end] + body[topic_end + 2 :]
                    peer.sendall(bytes([0x30, len(sent)]) + sent)
                case 14:  # DISCONNECT
                    return
