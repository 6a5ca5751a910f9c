"""Each client through a real proxy to real targets."""

import struct
import time
import zlib

import pytest

from support.clients.driver import pattern
from support.clients.real_proxy import proxy_to
from support.clients.targets import Targets
from support.hardening.proxy import TOKEN, running_proxy

WINDOW = 1024
TRANSFER_BYTES = 300_000  # many windows and frames
PUSHED_BYTES = 20_000_000  # more than all buffers on the way hold
QUIET_S = 0.3
RESET_S = 5.0


@pytest.fixture(scope="module")
def targets(tmp_path_factory):
    targets = Targets(tmp_path_factory.mktemp("targets"))
    yield targets
    targets.close()


@pytest.fixture(scope="module")
def real(tmp_path_factory, authority, targets):
    with proxy_to(targets, authority, tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture
def tunneled(driver, real):
    """A driver with an open tunnel."""
    driver.ok("tunnel", "localhost", real.port, TOKEN, real.authority_file, WINDOW)
    return driver


def connected(driver, targets, target, name="1", *, kind="net", host="127.0.0.1"):
    driver.ok("open", name, kind, host, targets.ports[target])
    driver.ok("established", name)


def test_bytes_come_back_and_both_sides_end(tunneled, targets):
    connected(tunneled, targets, "echo")
    tunneled.ok("send", 1, b"hello".hex())
    assert tunneled.ask("recv", 1, 100) == "data " + b"hello".hex()
    tunneled.ok("end", 1)
    assert tunneled.ask("recv", 1, 100) == "end"
    tunneled.ok("close", 1)


def test_a_wrong_token_is_refused_with_the_reason(driver, real):
    answer = driver.ask("tunnel", "localhost", real.port, "WRONG", real.authority_file, WINDOW)
    word, reason, again, *_ = answer.split(" ")
    assert (word, again) == ("refused", "no" if "retry/1" in driver.can else "-")
    assert reason in ("wrong_token", "-")


def test_a_download_arrives_whole(tunneled, targets):
    connected(tunneled, targets, "sends")
    tunneled.ok("send", 1, struct.pack(">I", TRANSFER_BYTES).hex())
    crc = zlib.crc32(pattern(TRANSFER_BYTES))
    assert tunneled.ask("take", 1, TRANSFER_BYTES + 1) == f"ok {TRANSFER_BYTES} {crc:08x}"
    assert tunneled.ask("recv", 1, 1) == "end"


def test_an_upload_arrives_whole_and_its_answer_comes_after_the_end(tunneled, targets):
    connected(tunneled, targets, "count")
    tunneled.ok("fill", 1, TRANSFER_BYTES)
    tunneled.ok("end", 1)
    assert tunneled.ask("recv", 1, 100) == "data " + (b"%d\n" % TRANSFER_BYTES).hex()


def test_an_echo_of_many_windows_keeps_each_byte(tunneled, targets):
    connected(tunneled, targets, "echo")
    for at in range(0, 40_000, 4_000):
        tunneled.ok("fill", 1, 4_000)
        assert tunneled.ask("take", 1, 4_000) == f"ok 4000 {zlib.crc32(pattern(4000, at)):08x}"


@pytest.mark.needs("early")
def test_early_data_reaches_the_target(tunneled, targets):
    tunneled.ok("open", 1, "net", "127.0.0.1", targets.ports["count"])
    tunneled.ok("send", 1, b"early".hex())
    tunneled.ok("end", 1)
    tunneled.ok("established", 1)
    assert tunneled.ask("recv", 1, 100) == "data " + b"5\n".hex()


@pytest.mark.needs("halfclose/1")
def test_after_the_targets_end_the_client_still_sends(tunneled, targets):
    connected(tunneled, targets, "ends_first")
    assert tunneled.ask("take", 1, 9) == f"ok 4 {zlib.crc32(b'done'):08x}"
    tunneled.ok("fill", 1, 5_000)
    tunneled.ok("end", 1)
    assert targets.counted.get(timeout=RESET_S) == 5_000


@pytest.mark.parametrize(
    ("target", "host", "code"),
    [
        ("closed", "127.0.0.1", "ECONNREFUSED"),
        ("echo", "no-such-host.invalid", "ENOTFOUND"),
        ("echo", "10.1.2.3", "EACCES"),
    ],
)
def test_a_failed_connection_has_its_code_word(tunneled, targets, target, host, code):
    tunneled.ok("open", 1, "net", host, targets.ports[target])
    assert tunneled.fails("established", 1) == code
    connected(tunneled, targets, "echo", "2")


def test_a_target_that_resets_is_no_clean_end(tunneled, targets):
    connected(tunneled, targets, "resets")
    tunneled.ok("send", 1, b"x".hex())
    assert tunneled.fails("recv", 1, 1) == "ECONNRESET"


@pytest.mark.needs("abort")
def test_an_abort_resets_the_target(tunneled, targets):
    connected(tunneled, targets, "echo")
    tunneled.ok("send", 1, b"x".hex())
    tunneled.ask("recv", 1, 1)
    tunneled.ok("abort", 1)
    assert targets.resets.acquire(timeout=RESET_S)


@pytest.mark.needs("tls")
def test_the_proxy_does_tls_with_a_trusted_target(tunneled, targets):
    connected(tunneled, targets, "tls", kind="tls", host="localhost")
    tunneled.ok("send", 1, b"secret".hex())
    assert tunneled.ask("recv", 1, 100) == "data " + b"secret".hex()


@pytest.mark.needs("tls")
def test_a_target_with_an_unknown_authority_is_refused(tunneled, targets):
    tunneled.ok("open", 1, "tls", "localhost", targets.ports["untrusted"])
    assert tunneled.fails("established", 1) in (
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        "SELF_SIGNED_CERT_IN_CHAIN",
        "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    )


@pytest.mark.needs("idle")
def test_an_idle_target_is_reported_and_stays_connected(tunneled, targets):
    connected(tunneled, targets, "echo")
    tunneled.ok("idle", 1, 200)
    tunneled.ok("event", 1, "timeout")
    tunneled.ok("send", 1, b"awake".hex())
    assert tunneled.ask("recv", 1, 100) == "data " + b"awake".hex()


@pytest.mark.needs("credit/1")
def test_a_stalled_reader_holds_one_window_and_stalls_nobody_else(tunneled, targets):
    connected(tunneled, targets, "sends")
    tunneled.ok("send", 1, struct.pack(">I", TRANSFER_BYTES).hex())
    connected(tunneled, targets, "echo", "2")
    tunneled.ok("send", 2, b"over here".hex())
    assert tunneled.ask("recv", 2, 100) == "data " + b"over here".hex()
    if "held" in tunneled.can:
        time.sleep(QUIET_S)
        assert int(tunneled.ok("held", 1)[0]) <= WINDOW
    crc = zlib.crc32(pattern(TRANSFER_BYTES))
    assert tunneled.ask("take", 1, TRANSFER_BYTES) == f"ok {TRANSFER_BYTES} {crc:08x}"


@pytest.mark.needs("credit/1")
def test_a_target_that_does_not_read_stalls_the_writer_and_nobody_else(tunneled, targets):
    connected(tunneled, targets, "stalled")
    pushed = int(tunneled.ok("push", 1, PUSHED_BYTES)[0])
    assert pushed < PUSHED_BYTES
    connected(tunneled, targets, "echo", "2")
    tunneled.ok("send", 2, b"over here".hex())
    assert tunneled.ask("recv", 2, 100) == "data " + b"over here".hex()
    targets.released.set()
    tunneled.ok("end", 1)
    assert tunneled.ask("recv", 1, 100) == "data " + (b"%d\n" % pushed).hex()


def test_many_substreams_one_after_the_other(tunneled, targets):
    assert tunneled.ok("cycle", 100, "127.0.0.1", targets.ports["bye"]) == ["100"]


@pytest.mark.needs("numbers", "reuse/1")
def test_numbers_are_used_again_after_65534(tunneled, targets):
    tunneled.ok("numbers", 65_500)
    assert tunneled.ok("cycle", 60, "127.0.0.1", targets.ports["bye"]) == ["60"]
    connected(tunneled, targets, "echo")
    assert int(tunneled.ok("number", 1)[0]) < 65_500


def test_eight_substreams_at_once_keep_their_bytes_apart(tunneled, targets):
    for name in range(8):
        connected(tunneled, targets, "echo", name)
    for name in range(8):
        tunneled.ok("send", name, (b"%d" % name * 900).hex())
    for name in range(8):
        assert tunneled.ask("take", name, 900) == f"ok 900 {zlib.crc32(b'%d' % name * 900):08x}"


def test_a_restarted_proxy_gets_the_next_tunnel(driver, authority, tmp_path, targets):
    settings = {"AUTH_HARDCODED": TOKEN, "EGRESS_ALLOW": "127.0.0.1/32", "DRAIN_S": "0"}
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with running_proxy(tmp_path, authority, settings) as proxy:
        tunnel = ("tunnel", "localhost", proxy.port, TOKEN, tmp_path / "authority.pem", WINDOW)
        driver.ok(*tunnel)
        connected(driver, targets, "echo")
        proxy.kill()
        assert driver.fails("recv", 1, 1) == "ECONNRESET"
        proxy.start()
        driver.ok(*tunnel)
        connected(driver, targets, "echo")
