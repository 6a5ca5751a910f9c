"""The real command answers each recorded dialogue as the original did, except for improvements.

tunnel/README.txt lists the differences; BETTER below is that list.
"""

import select
import socket
import ssl
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from lab.processes import Process
from lab.service_log import ServiceLog
from lab.waiting import eventually
from support.dialogues import Data, Frame, by_channel, frames_in, parse
from support.recorded_targets import REFUSES, RecordedTargets

RECORDED = sorted(
    path for path in (Path(__file__).parent / "tunnel").glob("*.txt") if path.stem != "README"
)
ANSWER_SECONDS = 10.0
QUIET_SECONDS = 0.1  # after the last answer nothing more may come

LOOKUP = b'{"event":"custom","emitArgs":["lookup"]}'
CONNECT = b'{"event":"custom","emitArgs":["connect"]}'
CLOSE = b'{"event":"custom","emitArgs":["close"]}'
END = b'{"event":"end"}'


def error(message):
    return b'{"event":"error","message":"%s"}' % message.encode()


# Where ours differs, by dialogue and channel.
BETTER = {
    "client_write_70000": {2: [CONNECT, Data(b"70000\n"), END, CLOSE]},
    "target_sends_65536": {2: [CONNECT, Data(bytes(65536)), END, CLOSE]},
    "target_sends_70000": {2: [CONNECT, Data(bytes(70000)), END, CLOSE]},
    "tls_selfsigned": {
        2: [
            LOOKUP,
            CONNECT,
            error("DEPTH_ZERO_SELF_SIGNED_CERT: self-signed certificate"),
            END,
            CLOSE,
        ],
        4: [CONNECT],
    },
    "tls_badname": {
        2: [
            LOOKUP,
            CONNECT,
            error(
                "ERR_TLS_CERT_ALTNAME_INVALID: Hostname/IP does not match certificate's altnames"
            ),
            END,
            CLOSE,
        ]
    },
    "error_by_client": {2: [CONNECT, END, CLOSE]},
}

# What the original's client could not send: it died.
SENT_BESIDES = {
    "client_write_70000": [
        Frame(True, 2, True, bytes(65532)),
        Frame(True, 2, True, bytes(70000 - 65532)),
        Frame(True, 2, False, END),
    ]
}


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    targets = RecordedTargets(tmp_path_factory.mktemp("targets"))
    yield targets
    targets.close()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def port(tmp_path_factory, targets, authority):
    """Return the port of a running proxy."""
    folder = tmp_path_factory.mktemp("proxy")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    environ = {
        "HOST": "127.0.0.1",
        "PORT": "0",
        "CERT_FILE": str(folder / "cert.pem"),
        "KEY_FILE": str(folder / "key.pem"),
        "AUTH_HARDCODED": "DEV-CRED",
        "EGRESS_ALLOW": "127.0.0.0/8 ::1/128",
        "TARGET_CA_FILE": str(targets.ca_file),
        "LOG_FORMAT": "json",
    }
    process = Process([sys.executable, "-m", "tessel_proxy"], environ, folder, "tessel-proxy")
    try:
        listening = eventually(
            lambda: ServiceLog.parsed(process.stderr).events("listening"),
            what=lambda: process.stderr,
        )
        yield listening[0]["port"]
    finally:
        process.stop()
    logged = ServiceLog.parsed(process.stderr).lines
    assert not [line for line in logged if line["level"] in ("error", "critical")]
    assert process.exit_code == 0


class Client:
    """The recorded client: sends frames and records received ones."""

    def __init__(self, port, authority):
        context = ssl.create_default_context()
        authority.configure_trust(context)
        plain = socket.create_connection(("127.0.0.1", port), ANSWER_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = context.wrap_socket(plain, server_hostname="localhost")
        self._socket.setblocking(False)
        self._buffer = bytearray()
        self.closed_by_server = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def send(self, data):
        self._socket.setblocking(True)
        self._socket.settimeout(ANSWER_SECONDS)
        self._socket.sendall(data)
        self._socket.setblocking(False)

    def end(self):
        """As Node's end() does: close_notify and FIN; the server's answer still comes."""
        self._socket.settimeout(ANSWER_SECONDS)
        self._socket.unwrap().close()
        self.closed_by_server = True  # unwrap() has waited for it

    @property
    def said(self):
        frames, left_over = frames_in(self._buffer)
        assert not left_over or not self.closed_by_server, "closed inside a frame"
        return frames

    def read(self, seconds):
        """Take what comes within that time."""
        if self._socket.pending() or select.select([self._socket], [], [], seconds)[0]:
            try:
                data = self._socket.recv(65536)
            except ssl.SSLWantReadError:
                return
            self._buffer += data
            self.closed_by_server = not data

    def await_answers(self, count):
        self.read_until(lambda: len(self.said) >= count, f"answer {count}")

    def read_until(self, satisfied, what):
        deadline = time.monotonic() + ANSWER_SECONDS
        while not satisfied() and not self.closed_by_server:
            assert time.monotonic() < deadline, f"no {what}; so far {by_channel(self.said)}"
            self.read(0.5)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_the_command_answers_like_the_original_except_for_improvements(
    path, port, targets, authority
):
    dialogue = parse(path)
    expected = by_channel(dialogue.from_server) | BETTER.get(dialogue.name, {})
    with Client(port, authority) as client:
        play(dialogue, client, targets.ports)
        client.read_until(lambda: covers(client, expected), f"answer like {expected}")
        client.read(QUIET_SECONDS)
        assert as_recorded(client.said, targets.ports) == expected
        if dialogue.client_ends:
            client.end()
        elif dialogue.name == "unauthorized_stream":
            client.read_until(lambda: client.closed_by_server, "cut")
            assert client.closed_by_server


def test_five_wrong_tokens_get_an_answer_and_then_the_tunnel_is_closed(port, authority):
    wrong = Frame(True, 0, False, b'{"type":"message","object":{"token":"WRONG"}}')
    with Client(port, authority) as client:
        client.send(wrong.wire * 6)
        client.read_until(lambda: client.closed_by_server, "close")
        assert client.closed_by_server
        refusal = b'{"type":"message","object":{"authed":false}}'
        assert by_channel(client.said) == {0: [refusal] * 5}


def play(dialogue, client, ports):
    """Send the client's frames, each after the answers that it had waited for."""
    answers = 0
    for frame in (*dialogue.frames, *SENT_BESIDES.get(dialogue.name, ())):
        if frame.from_client:
            client.await_answers(answers)
            client.send(on_real_ports(frame, ports).wire)
        else:
            answers += 1


def on_real_ports(frame, ports):
    return replace(frame, payload=_replaced(frame.payload, ports)) if not frame.is_data else frame


def _replaced(payload, ports):
    for old, new in ports.items():
        payload = payload.replace(b'"_pls_connect",%d' % old, b'"_pls_connect",%d' % new)
    return payload


def as_recorded(frames, ports):
    """Return the messages, with recorded ports in place of the real ones in errors."""
    real = b"127.0.0.1:%d" % ports[REFUSES]
    recorded = b"127.0.0.1:%d" % REFUSES
    return by_channel(
        frame if frame.is_data else replace(frame, payload=frame.payload.replace(real, recorded))
        for frame in frames
    )


def covers(client, expected):
    """Return whether all expected messages have arrived."""
    said = by_channel(client.said)
    return all(_amount(said.get(channel, [])) >= _amount(expected[channel]) for channel in expected)


def _amount(said):
    return len(said), sum(len(each.data) for each in said if isinstance(each, Data))
