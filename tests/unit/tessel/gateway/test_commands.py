"""`tessel gateway` and `tessel connect` as processes, without a proxy: exit codes and errors."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from lab.waiting import eventually

COMMAND = str(Path(sys.executable).with_name("tessel"))
SECONDS = 30


def tessel(*words, input=b"", **environ):  # noqa: A002 - subprocess's word
    return subprocess.run(
        [COMMAND, *map(str, words)],
        input=input,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env={"PATH": os.environ["PATH"], **environ},
    )


class Server:
    """Accepts one connection, and answers with `conversation` in a thread."""

    def __init__(self, conversation):
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(conversation,))

    def _serve(self, conversation):
        accepted, _ = self._listening.accept()
        with accepted:
            conversation(accepted)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(SECONDS)
        self._listening.close()


def echo_to_end(accepted):
    """Read up to the end, then send all back: without a half close it would never answer."""
    found = b""
    while piece := accepted.recv(65536):
        found += piece
    accepted.sendall(found)


def reset(accepted):
    accepted.sendall(b"half")
    accepted.recv(1)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def farewell(accepted):
    """End this side first, and read until the peer ends."""
    accepted.sendall(b"farewell")
    accepted.shutdown(socket.SHUT_WR)
    while accepted.recv(65536):
        pass


@pytest.mark.parametrize("nbytes", [0, 1, 1_000_000])
def test_connect_carries_input_and_its_end_and_prints_the_answer(nbytes):
    sent = os.urandom(nbytes)
    with Server(echo_to_end) as server:
        done = tessel("connect", "127.0.0.1", server.port, input=sent)

    assert (done.returncode, done.stdout, done.stderr) == (0, sent, b"")


def test_connect_reads_a_file_and_writes_a_file(tmp_path):
    (tmp_path / "in").write_bytes(os.urandom(300_000))
    with (
        Server(echo_to_end) as server,
        (tmp_path / "in").open("rb") as given,
        (tmp_path / "out").open("wb") as found,
    ):
        done = subprocess.run(
            [COMMAND, "connect", "127.0.0.1", str(server.port)],
            stdin=given,
            stdout=found,
            timeout=SECONDS,
            check=False,
        )

    assert done.returncode == 0
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_connect_goes_on_after_the_targets_end():
    with Server(farewell) as server:
        done = tessel("connect", "127.0.0.1", server.port, input=bytes(1_000_000))

    assert (done.returncode, done.stdout, done.stderr) == (0, b"farewell", b"")


def test_connect_fails_if_the_target_resets():
    with Server(reset) as server:
        done = tessel("connect", "127.0.0.1", server.port, input=b"x")

    assert done.returncode == 1
    assert b"the connection was cut" in done.stderr


def test_connect_fails_if_the_target_refuses():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        done = tessel("connect", "127.0.0.1", port)

    assert done.returncode == 1
    assert done.stderr == b"tessel: 127.0.0.1:%d: connect ECONNREFUSED 127.0.0.1:%d\n" % (
        port,
        port,
    )


def test_connect_ends_by_a_signal_with_its_code():
    ready = threading.Event()

    def silent(accepted):
        ready.set()
        with suppress(ConnectionResetError):
            accepted.recv(1)

    with Server(silent) as server:
        process = subprocess.Popen(
            [COMMAND, "connect", "127.0.0.1", str(server.port)], stdin=subprocess.PIPE
        )
        with process:
            assert ready.wait(SECONDS)
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 143


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_connect_refuses_a_wrong_port(port):
    done = tessel("connect", "--", "localhost", port)

    assert done.returncode == 2
    assert b"allowed: 1 to 65535" in done.stderr


def test_connect_and_gateway_need_a_proxys_address_with_a_token():
    for words in (("connect", "a", "1"), ("gateway",)):
        done = tessel(*words, PROXY_TOKEN="secret")
        assert done.returncode == 1
        assert b"PROXY_HOST is not set" in done.stderr


def test_gateway_refuses_to_serve_other_machines_without_a_password():
    done = tessel("gateway", "--listen", "0.0.0.0:0")

    assert done.returncode == 1
    assert b"GATEWAY_LISTEN=0.0.0.0:0 without GATEWAY_PASSWORD; allowed: a loopback" in done.stderr


def test_gateway_warns_of_misspelt_settings_and_a_password_that_all_can_read(tmp_path):
    file = tmp_path / "password"
    file.write_text("secret\n")
    file.chmod(0o644)
    settings = {"GATEWAY_LISTN": "1", "GATEWAY_PASSWORD_FILE": str(file)}

    done = tessel("gateway", "--", "true", **settings)

    assert done.returncode == 0
    assert b"GATEWAY_LISTN is not a setting: did you mean GATEWAY_LISTEN?" in done.stderr
    assert str(file).encode() in done.stderr


def test_help_lists_the_gateways_settings():
    done = tessel("gateway", "--help")

    assert done.returncode == 0
    assert b"GATEWAY_MAX_CLIENTS" in done.stdout


def test_gateway_says_that_its_port_is_used():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = tessel("gateway", "--listen", f"127.0.0.1:{port}")

    assert done.returncode == 1
    assert b"cannot listen on port %d of 127.0.0.1: Address already in use" % port in done.stderr


def test_gateway_warns_that_connections_go_directly_without_a_token(tmp_path):
    with (tmp_path / "err").open("wb") as errors:
        process = subprocess.Popen([COMMAND, "gateway", "--listen", "127.0.0.1:0"], stderr=errors)
    with process:
        eventually(lambda: "no token is set" in (tmp_path / "err").read_text(), SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


def test_gateways_program_ends_with_its_own_code():
    assert tessel("gateway", "--", "sh", "-c", "exit 3").returncode == 3
    assert tessel("gateway", "--", "sh", "-c", "kill -9 $$").returncode == 137
    missing = tessel("gateway", "--", "no-such-program")
    assert (missing.returncode, b"there is no such program" in missing.stderr) == (127, True)


def test_gateways_program_gets_a_signal_for_the_gateway(tmp_path):
    ready = tmp_path / "ready"
    program = f"trap 'exit 9' TERM; touch {ready}; while :; do sleep 0.05; done"
    process = subprocess.Popen([COMMAND, "gateway", "--", "sh", "-c", program])
    with process:
        eventually(ready.exists, SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 9
