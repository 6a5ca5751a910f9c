"""The process is killed, reloaded or stopped during transfers."""

import hashlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from functools import partial

import pytest
import trustme

from lab.target_site.bodies import sha256_of
from lab.waiting import eventually
from support.frame_socket import GoneError
from support.hardening.device import Device, connecting, data, end, trusting
from support.hardening.proxy import TOKEN

DEVICES = 8
LARGE = 200_000_000  # bytes that no device has got when the proxy is killed
MEDIUM = 20_000_000  # some seconds of transfer for all devices together
DRAIN_S = 15
RELOADS = 5
STOP_SECONDS = 30.0


class Downloads:
    """Devices that download at the same time, each in a thread, with their results."""

    def __init__(self, proxy, context, site, nbytes, features=()):
        self.nbytes = nbytes
        self.whole, self.cut, self.going = [], [], []
        self._started = threading.Barrier(DEVICES + 1, timeout=20)
        self._threads = [
            threading.Thread(target=self._run, args=(proxy.port, context, site, list(features)))
            for _ in range(DEVICES)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_):
        self.wait()

    def wait(self):
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a device waits for ever"

    def _run(self, port, context, site, features):
        with Device(port, context) as device:
            try:
                device.authenticate(TOKEN, **({"features": features} if features else {}))
                device.send(connecting(2, site["source"]), data(2, b"%d\n" % self.nbytes))
                first = device.read_bytes(2, 1)
                self._started.wait()
                self._download(device, first)
            except (GoneError, OSError) as lost:
                self.cut.append(lost)

    def _download(self, device, first):
        digest, said = hashlib.sha256(first), None
        while said != {"event": "custom", "emitArgs": ["close"]}:
            frame = device.frame()
            if frame.is_data:
                digest.update(frame.payload)
                continue
            said = json.loads(frame.payload)
            if said.get("type") == "goaway":
                self.going.append(said)
            elif said == {"event": "end"}:
                device.send(end(2))
        self.whole.append(digest.hexdigest())


@pytest.fixture
def open_at_targets(site):
    """Return the number of open connections to a service of the site."""

    def count(service):
        with urllib.request.urlopen(f"http://127.0.0.1:{site['control']}/counts") as answer:
            return json.load(answer)["services"][service]["open"]

    return count


def test_a_killed_proxy_is_a_lost_connection_and_not_an_end_for_its_peers(
    proxy_with, context, site, device_of, open_at_targets
):
    proxy = proxy_with()
    with Downloads(proxy, context, site, LARGE) as downloads:
        time.sleep(0.5)
        proxy.kill()
    assert (len(downloads.cut), downloads.whole) == (DEVICES, [])
    eventually(lambda: open_at_targets("source") == 0)
    proxy.start()  # on the port it had, whatever still lingers there
    device = device_of(proxy, TOKEN)
    device.send(connecting(2, site["echo"]), data(2, b"alive"))
    assert device.read_bytes(2, 5) == b"alive"


def test_reloads_under_load_use_the_new_certificate_and_disturb_no_transfer(
    proxy_with, bystander_of, context, site
):
    proxy = proxy_with()
    with bystander_of(proxy), Downloads(proxy, context, site, MEDIUM) as downloads:
        for _ in range(RELOADS):
            renewed = trustme.CA()
            proxy.issue(renewed)
            proxy.reload()
            eventually(partial(is_trusted, proxy, trusting(renewed)))
            assert not is_trusted(proxy, context)
    assert downloads.cut == []
    assert downloads.whole == [sha256_of(MEDIUM)] * DEVICES


def is_trusted(proxy, context):
    try:
        with Device(proxy.port, context):
            return True
    except ssl.SSLCertVerificationError:
        return False


def test_a_broken_certificate_is_not_loaded(proxy_with, bystander_of, context):
    proxy = proxy_with()
    with bystander_of(proxy):
        proxy.certificate_file.write_text("-----BEGIN CERTIFICATE-----\nhalf of i")
        proxy.reload()
        eventually(lambda: [line["event"] for line in proxy.faults()] == ["reload_failed"])
        assert is_trusted(proxy, context)
    proxy.expected_faults = ["reload_failed"]  # the log reports it


@pytest.mark.parametrize("features", [[], ["goaway/1", "halfclose/1", "reuse/1"]])
def test_on_sigterm_transfers_finish_new_tunnels_are_refused_and_the_exit_code_is_0(
    proxy_with, context, site, features
):
    proxy = proxy_with(DRAIN_S=DRAIN_S)
    with Downloads(proxy, context, site, MEDIUM, features) as downloads:
        proxy.terminate()
        eventually(lambda: proxy.log.events("draining"))
        with pytest.raises(OSError):  # noqa: PT011 -- refused, or cut in the handshake
            Device(proxy.port, context)
    assert (downloads.whole, downloads.cut) == ([sha256_of(MEDIUM)] * DEVICES, [])
    assert len(downloads.going) == (DEVICES if features else 0)
    # by then a single proxy has been started again
    assert all(said["after_ms"] >= (DRAIN_S + 8) * 1000 for said in downloads.going)
    assert proxy.process.wait(STOP_SECONDS) == 0


def test_transfers_that_exceed_the_drain_are_cut_and_the_exit_code_is_0(proxy_with, context, site):
    proxy = proxy_with(DRAIN_S=1)
    device = Device(proxy.port, context)
    device.authenticate(TOKEN)
    device.send(connecting(2, site["trickle"]))
    device.read_bytes(2, 1)
    began = time.monotonic()
    proxy.terminate()
    assert proxy.process.wait(STOP_SECONDS) == 0
    assert 1 <= time.monotonic() - began < 10
    with pytest.raises(GoneError):
        device.read_bytes(2, LARGE)
    device.socket.close()


def test_a_second_signal_stops_at_once(proxy_with, context, site):
    proxy = proxy_with(DRAIN_S=DRAIN_S)
    with Downloads(proxy, context, site, LARGE) as downloads:
        proxy.terminate()
        eventually(lambda: proxy.log.events("draining"))
        began = time.monotonic()
        proxy.terminate()
        assert proxy.process.wait(STOP_SECONDS) == 0
        assert time.monotonic() - began < DRAIN_S / 2
    assert (len(downloads.cut), downloads.whole) == (DEVICES, [])


def test_during_the_drain_delay_it_is_not_ready_but_accepts_devices_at_both_ports(
    proxy_with, context, device_of, site, tmp_path
):
    made = [sys.executable, "-m", "tessel_proxy", "make-cert", "--for-tessel-1", "boards.test"]
    subprocess.run([*made, "--out", tmp_path], check=True, capture_output=True)
    legacy = {
        f"LEGACY_{what}_FILE": tmp_path / f"tessel-1-{what.lower()}.pem" for what in ("CERT", "KEY")
    }
    delays = {"DRAIN_DELAY_S": 3, "DRAIN_S": DRAIN_S, "DRAIN_RETURN_S": 0}
    proxy = proxy_with(ADMIN_PORT=0, LEGACY_PORT=0, **delays, **legacy)
    admin = proxy.log.events("admin_listening")[0]["port"]
    boards = proxy.log.events("legacy_listening")[0]["port"]
    early = device_of(proxy, TOKEN)
    proxy.terminate()
    eventually(lambda: proxy.log.events("drain_delayed"))
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz")
    late = device_of(proxy, TOKEN)
    socket.create_connection(("127.0.0.1", boards)).close()
    for device in (early, late):
        device.send(connecting(2, site["echo"]), data(2, b"a"))
        assert device.read_bytes(2, 1) == b"a"
    assert not proxy.log.events("draining")
    eventually(lambda: proxy.log.events("draining"))
    for port in (proxy.port, boards):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    for device in (early, late):
        device.socket.close()
    assert proxy.process.wait(STOP_SECONDS) == 0


def test_a_second_signal_does_not_wait_for_the_delay_either(proxy_with, device_of):
    proxy = proxy_with(DRAIN_DELAY_S=60)
    device_of(proxy, TOKEN)
    proxy.terminate()
    eventually(lambda: proxy.log.events("drain_delayed"))
    proxy.terminate()
    assert proxy.process.wait(10) == 0
