"""The process as a load balancer and Prometheus see it: health, metrics, the PROXY protocol."""

import socket
import struct
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lab.waiting import eventually
from support.hardening.device import Device, connecting, data
from support.hardening.proxy import TOKEN

V1 = b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 5005\r\n"
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11"
    + struct.pack("!H", 12 + 6)
    + socket.inet_aton("192.0.2.9")
    + socket.inet_aton("198.51.100.1")
    + struct.pack("!2H", 4711, 5005)
    + b"\x04\x00\x03pad"
)
V2_LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"


class Admin:
    """Return the response of a proxy's admin port."""

    def __init__(self, proxy):
        (line,) = proxy.log.events("admin_listening")
        self._base = f"http://127.0.0.1:{line['port']}"

    def get(self, path):
        try:
            with urllib.request.urlopen(self._base + path, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read().decode()

    def metric(self, name, **labels):
        _status, text = self.get("/metrics")
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == f"tessel_proxy_{name}" and labels.items() <= sample.labels.items()
        )


def balanced(port, context, header, pieces=1):
    """Connect as a load balancer that sends this header before TLS, in pieces."""
    size = -(-len(header) // pieces) or 1
    cut = [header[start : start + size] for start in range(0, len(header), size)]
    return Device(port, context, before_tls=cut)


def test_a_serving_proxy_is_ready_and_a_draining_one_is_not(proxy_with, device_of, site):
    proxy = proxy_with(ADMIN_PORT=0, DRAIN_S=20)
    admin = Admin(proxy)
    assert admin.get("/healthz") == admin.get("/readyz") == (200, "ok\n")
    device = device_of(proxy, TOKEN)
    device.send(connecting(2, site["echo"]), data(2, b"a"))
    assert device.read_bytes(2, 1) == b"a"
    proxy.terminate()
    eventually(lambda: admin.get("/readyz")[0] == 503)
    assert admin.get("/readyz") == (503, "draining\n")
    assert admin.get("/healthz")[0] == 200
    assert admin.metric("draining") == 1
    device.send(data(2, b"b"))  # what is open goes on
    assert device.read_bytes(2, 1) == b"b"
    device.socket.close()
    assert proxy.process.wait(20) == 0


def test_metrics_count_relayed_bytes_and_refusals(proxy_with, device_of, site):
    proxy = proxy_with(ADMIN_PORT=0)
    admin = Admin(proxy)
    device = device_of(proxy, TOKEN)
    device.send(connecting(2, site["echo"]), data(2, b"12345"))
    assert device.read_bytes(2, 5) == b"12345"
    assert device_of(proxy).authenticate("wrong") == {"authed": False}
    assert admin.metric("substreams", kind="net") == 1
    assert admin.metric("relayed_bytes_total", direction="device_to_target") == 5
    assert admin.metric("relayed_bytes_total", direction="target_to_device") == 5
    assert admin.metric("refusals_total", reason="wrong_token") == 1
    assert admin.metric("auth_checks_total", result="accepted") == 1
    assert admin.metric("certificate_not_after_timestamp_seconds") > 1.7e9


@pytest.mark.parametrize("pieces", [1, 7, 60])
@pytest.mark.parametrize(
    ("header", "peer"), [(V1, "192.0.2.9:4711"), (V2, "192.0.2.9:4711"), (V2_LOCAL, "127.0.0.1:")]
)
def test_behind_a_configured_balancer_the_devices_own_address_is_used(
    proxy_with, context, header, peer, pieces
):
    proxy = proxy_with(PROXY_PROTOCOL_FROM="127.0.0.0/8")
    with balanced(proxy.port, context, header, pieces) as device:
        assert device.authenticate(TOKEN) == {"authed": True}
    (line,) = eventually(lambda: proxy.log.events("tunnel_authenticated"))
    assert line["peer"].startswith(peer)


@pytest.mark.parametrize("header", [b"", V1.replace(b"4711", b"+4711"), V2[:-1] + b"\0" + V1])
def test_a_balancers_connection_without_a_valid_header_is_closed(proxy_with, context, header):
    proxy = proxy_with(PROXY_PROTOCOL_FROM="127.0.0.0/8")
    with pytest.raises(OSError):  # noqa: PT011 -- reset, or cut in the handshake
        balanced(proxy.port, context, header)


@pytest.mark.parametrize("header", [V1, V2])
def test_a_header_from_another_address_is_not_accepted(proxy_with, context, header, device_of):
    proxy = proxy_with(PROXY_PROTOCOL_FROM="10.0.0.0/8")
    with pytest.raises(OSError):  # noqa: PT011 -- a bad handshake
        balanced(proxy.port, context, header)
    assert device_of(proxy).authenticate(TOKEN) == {"authed": True}
