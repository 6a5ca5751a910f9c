"""A real HAProxy in front of the proxy, which logs the devices' own addresses."""

import re
import shutil
import socket
import ssl
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.processes import Process
from lab.waiting import eventually
from support.hardening.device import hello, trusting
from support.hardening.proxy import TOKEN, running_proxy

RECIPE = Path(__file__).parents[2] / "deploy" / "haproxy" / "haproxy.cfg"
DEVICE = "127.0.0.77"  # all of 127/8 is this machine's, so that a device can be somewhere else
SECONDS = 10.0

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy") is None,
    reason="haproxy is not installed (Debian: apt-get install haproxy)",
)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def admin_port_of(proxy):
    return eventually(lambda: proxy.log.events("admin_listening"), SECONDS)[0]["port"]


def config_for(proxy, port, version):
    """The recipe with one proxy, free ports, and this version of the header."""
    text = re.sub(r"(?m)^ +server proxy2 .*\n", "", RECIPE.read_text())
    text = text.replace("maxconn 20000", "maxconn 100")  # as many descriptors as anybody may have
    text = text.replace("bind :443", f"bind 127.0.0.1:{port}")
    text = text.replace("10.0.0.11:5005", f"127.0.0.1:{proxy.port}")
    text = text.replace("check port 9105", f"check port {admin_port_of(proxy)}")
    return text.replace("send-proxy-v2", version)


@contextmanager
def haproxy(folder, text):
    config = folder / "haproxy.cfg"
    config.write_text(text)
    process = Process(["haproxy", "-db", "-f", config], {}, folder, "haproxy")
    try:
        yield process
    finally:
        process.stop()


def reaches(port):
    try:
        socket.create_connection(("127.0.0.1", port), SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_the_log_has_the_devices_own_address(version, authority, tmp_path):
    settings = {
        "AUTH_HARDCODED": TOKEN,
        "ADMIN_PORT": "0",
        "PROXY_PROTOCOL_FROM": "127.0.0.1",
    }
    port = free_port()
    with (
        running_proxy(tmp_path, authority, settings) as proxy,
        haproxy(tmp_path, config_for(proxy, port, version)) as balancer,
    ):
        eventually(lambda: reaches(port), SECONDS, lambda: balancer.stdout + balancer.stderr)
        source = (DEVICE, 0)
        with (
            socket.create_connection(("127.0.0.1", port), SECONDS, source) as plain,
            trusting(authority).wrap_socket(plain, server_hostname="localhost") as device,
        ):
            here = "{}:{}".format(*plain_name(device))
            device.sendall(hello(TOKEN))
            assert b'"authed":true' in device.recv(4096).replace(b" ", b"")
        (line,) = eventually(lambda: proxy.log.events("tunnel_authenticated"), SECONDS)
        assert line["peer"] == here


def plain_name(device: ssl.SSLSocket):
    return device.getsockname()[:2]


def test_the_recipe_is_valid_without_changes(tmp_path):
    process = Process(["haproxy", "-c", "-f", RECIPE], {}, tmp_path, "check")
    assert process.wait(SECONDS) == 0, process.stderr
