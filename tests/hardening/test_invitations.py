"""Invitations, on the command line alone: `tessel-proxy invite` and `tessel join`."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.waiting import eventually
from support.hardening.device import Device

BIN = Path(sys.executable).parent
SECONDS = 60


def run(program, *arguments, environ, given=""):
    """Run a command of this repository; return exit code, output and errors."""
    done = subprocess.run(
        [BIN / program, *arguments],
        env={"PATH": str(BIN), **environ},
        input=given,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class Inviting:
    """A proxy whose operator invites devices, and a device's home folder."""

    def __init__(self, folder, proxy_with):
        self.folder = folder
        self.operators = {
            "AUTH_FILE": str(folder / "accounts"),
            "CERT_FILE": str(folder / "made" / "cert.pem"),
            "KEY_FILE": str(folder / "made" / "key.pem"),
        }
        self.devices = {"HOME": str(folder / "home")}
        assert run("tessel-proxy", "make-cert", "localhost", environ=self.operators)[0] == 0
        (folder / "accounts").touch()
        self.start = lambda **more: proxy_with(AUTH_HARDCODED=None, **self.operators, **more)

    def invite(self, proxy, *arguments):
        arguments = ("invite", "--port", str(proxy.port), *arguments, "kim")
        code, uri, _err = run("tessel-proxy", *arguments, environ=self.operators)
        assert code == 0
        return uri.strip()

    def join(self, *arguments, given=""):
        return run("tessel", "join", *arguments, environ=self.devices, given=given)


@pytest.fixture
def inviting(tmp_path, proxy_with):
    return Inviting(tmp_path, proxy_with)


PROGRAM = """
from tessel import net
socket = net.connect({"port": %d, "host": "127.0.0.1"})
socket.on("data", lambda data: (print("heard", len(data)), socket.destroy()))
socket.write(b"x")
"""


def test_from_an_invitation_to_a_page_through_the_tunnel(inviting, site):
    proxy = inviting.start(WORKERS=2)
    code, out, err = inviting.join(inviting.invite(proxy))
    assert code == 0, err
    assert "has given this device a token of account kim" in err
    assert "warning" not in err
    (inviting.folder / "program.py").write_text(PROGRAM % site["echo"])
    environ = {**inviting.devices, "PROXY_LOCAL": "192.0.2.1"}
    program = str(inviting.folder / "program.py")
    assert run("tessel", "run", program, environ=environ) == (0, "heard 1\n", "")
    assert out.split()[1].removesuffix(":") == f"{inviting.folder}/home/.config/tessel/settings.env"
    (closed,) = eventually(lambda: proxy.log.events("substream_closed"))
    assert closed["account"] == "kim"


def test_a_used_an_altered_and_an_unknown_invitation_are_refused_with_the_reason(inviting):
    proxy = inviting.start()
    uri = inviting.invite(proxy)
    assert inviting.join("--print", "json", uri)[0] == 0
    for wrong, why in (
        (uri, "was used already"),
        (uri[:-1] + ("0" if uri[-1] != "0" else "1"), "its check digits do not fit"),
        (uri[:40], "its code is not complete"),
    ):
        code, out, err = inviting.join("--print", "json", wrong)
        assert (code, out) == (1, "")
        assert why in err


def test_an_invitation_is_sent_to_no_other_proxy(inviting, tmp_path):
    """The port of the proxy is taken over by one with another authority."""
    proxy = inviting.start()
    uri = inviting.invite(proxy)
    proxy.kill()
    proxy.process.wait(SECONDS)
    for name in ("authority-cert.pem", "authority-key.pem"):
        (tmp_path / "made" / name).rename(tmp_path / name)
    assert run("tessel-proxy", "make-cert", "localhost", environ=inviting.operators)[0] == 0
    proxy.start()
    code, _out, err = inviting.join(uri)
    assert code == 1
    assert "is not the proxy of this invitation" in err
    assert "was used" not in err
    assert len(list((tmp_path / "invitations").glob("*.open"))) == 1


def test_the_printed_token_opens_a_tunnel_of_another_client(inviting, context):
    proxy = inviting.start()
    code, out, err = inviting.join("--print", "json", "-", given=inviting.invite(proxy) + "\n")
    assert code == 0, err
    printed = json.loads(out)
    (inviting.folder / "authority.pem").write_text(printed["authority"])
    context.load_verify_locations(inviting.folder / "authority.pem")
    with Device(printed["port"], context) as device:
        assert device.authenticate(printed["token"]) == {"authed": True}


def test_a_proxy_that_is_not_there_is_said(inviting):
    proxy = inviting.start()
    uri = inviting.invite(proxy)
    proxy.kill()
    proxy.process.wait(SECONDS)
    code, _out, err = inviting.join(uri)
    assert code == 1
    assert "the proxy was not reached: connect ECONNREFUSED" in err
    proxy.start()
    assert inviting.join(uri)[0] == 0  # nothing was used up


def test_a_device_that_cannot_write_its_settings_uses_nothing_up(inviting):
    uri = inviting.invite(inviting.start())
    code, _out, err = inviting.join("--to", "/proc/none/settings.env", uri)
    assert code == 1
    assert "No such file or directory" in err
    assert inviting.join(uri)[0] == 0


def test_of_many_devices_with_one_invitation_one_gets_the_token(inviting):
    uri = inviting.invite(inviting.start(WORKERS=2))
    with ThreadPoolExecutor(8) as threads:
        joins = list(threads.map(lambda _: inviting.join("--print", "json", uri), range(8)))
    assert sorted(code for code, _out, _err in joins) == [0, *[1] * 7]
    assert sum("was used already" in err for _code, _out, err in joins) == 7
