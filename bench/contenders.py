"""Who is measured: how each is started, and how the client reaches it.

All TLS servers show the same certificate, and listen on loopback only.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from bench.processes import BenchError, Server, Usage

LOOPBACK = "127.0.0.1"
SITE_ADDRESSES = 8  # each has 28,000 ephemeral ports of its own
TOKEN = "bench-token"
FEATURES = ("reuse/1", "halfclose/1", "ping/1")
_ROOT = Path(__file__).parents[1]
_UNPRIVILEGED = "nobody"  # whom sshd runs as where root makes the measurements


@dataclass(frozen=True, slots=True)
class Ground:
    """What all contenders share."""

    folder: Path
    site_port: int

    @property
    def certificate(self) -> Path:
        return self.folder / "public-cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "private-key.pem"


class Serving(TypedDict):
    """A server that was started, and where."""

    port: int
    served: Server


@dataclass(frozen=True, slots=True)
class Contender:
    """One that is measured. `served`: whose CPU and memory count; `beside`: what else it needs."""

    name: str
    way: str
    port: int
    multiplexed: bool = False
    credit: bool = False
    served: Server | None = None
    beside: tuple[Server, ...] = field(default=())

    def usage(self) -> Usage:
        return self.served.usage() if self.served else Usage(0.0, 0)

    def options(self, ground: Ground) -> list[str]:
        """For the client."""
        features = (*FEATURES, "credit/1") if self.credit else FEATURES
        options = {
            "--way": self.way,
            "--port": str(self.port),
            "--site": str(ground.site_port),
            "--addresses": str(SITE_ADDRESSES),
            "--token": TOKEN,
            "--features": ",".join(f'"{feature}"' for feature in features),
        }
        return [text for pair in options.items() for text in pair]

    def stop(self) -> None:
        for server in (*self.beside, *((self.served,) if self.served else ())):
            server.stop()


def command(name: str) -> Path:
    """That command of the virtual environment this runs in."""
    return Path(sys.executable).with_name(name)


def make_certificate(folder: Path) -> None:
    made = subprocess.run(
        [command("tessel-proxy"), "make-cert", "--out", folder, "localhost", LOOPBACK],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise BenchError(f"no certificate\n{made.stderr}")


def direct(ground: Ground) -> Contender:
    return Contender("direct TCP", "direct", ground.site_port)


def proxy(ground: Ground) -> Contender:
    return Contender("proxy", "tunnel", multiplexed=True, credit=True, **_proxy(ground))


def proxy_without_credit(ground: Ground) -> Contender:
    """To a device that does not ask for flow control."""
    return Contender("no credit/1", "tunnel", multiplexed=True, **_proxy(ground))


def _proxy(ground: Ground) -> Serving:
    """Ours, with limits that let the load through and else as it comes."""
    settings = {
        "HOST": LOOPBACK,
        "PORT": "0",
        "CERT_FILE": str(ground.certificate),
        "KEY_FILE": str(ground.key),
        "AUTH_HARDCODED": TOKEN,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "LOG_FORMAT": "json",
        "MAX_SUBSTREAMS": "20000",
        "MAX_SUBSTREAMS_PER_ACCOUNT": "20000",
        "MAX_TUNNELS_PER_ACCOUNT": "4096",
        "OPENS_PER_S": "1000000",
        "TUNNEL_WINDOW_MAX": str(1 << 30),  # 10,000 first windows; one substream's is as it comes
    }
    server = Server("proxy", [command("tessel-proxy")], ground.folder, settings)
    return {"port": _port_of(server, _listening), "served": server}


def twisted(ground: Ground) -> Contender:
    server = Server(
        "twisted",
        [
            *(sys.executable, "-m", "bench.twisted_forwarder"),
            *(ground.certificate, ground.key, str(ground.site_port)),
        ],
        ground.folder,
        {"PYTHONPATH": str(_ROOT)},
    )
    return Contender("Twisted forwarder", "tls", port=_port_of(server, _first_line), served=server)


def stunnel(ground: Ground) -> Contender | None:
    program = shutil.which("stunnel4") or shutil.which("stunnel")
    if program is None:
        return None
    port = free_port()
    settings = ground.folder / f"stunnel-{port}.conf"
    settings.write_text(
        "foreground = yes\npid =\n[relay]\n"
        f"accept = {LOOPBACK}:{port}\nconnect = {LOOPBACK}:{ground.site_port}\n"
        f"cert = {ground.certificate}\nkey = {ground.key}\n"
        "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
    )
    server = Server("stunnel", [program, settings], ground.folder)
    await_port(server, port)
    return Contender("stunnel", "tls", port, served=server)


def openssh(ground: Ground) -> Contender | None:
    """An sshd of its own with throw-away keys, and one connection of a client that speaks SOCKS."""
    sshd, ssh, keygen = (_found(name) for name in ("sshd", "ssh", "ssh-keygen"))
    if not (sshd and ssh and keygen):
        return None
    folder = Path(tempfile.mkdtemp(dir=ground.folder))
    folder.chmod(0o711)
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    user = _UNPRIVILEGED if os.getuid() == 0 else None
    if user:  # a server without privileges reads its own key only
        ground.folder.chmod(0o711)
        for path in (folder, folder / "host", folder / "user.pub"):
            shutil.chown(path, user)
    port, socks_port = free_port(), free_port()
    settings = folder / "sshd_config"
    settings.write_text(
        f"ListenAddress {LOOPBACK}:{port}\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nUsePAM yes\n"
        "PasswordAuthentication no\nAllowTcpForwarding yes\n"
    )
    served = Server("sshd", [sshd, "-D", "-e", "-f", settings], ground.folder, user=user)
    await_port(served, port)
    login = user or pwd.getpwuid(os.getuid()).pw_name
    client: list[str | Path] = [
        *(ssh, "-N", "-F", "none", "-D", f"{LOOPBACK}:{socks_port}", "-p", str(port)),
        *("-i", folder / "user", "-c", "aes128-gcm@openssh.com", "-o", "BatchMode=yes"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        *("-o", "ExitOnForwardFailure=yes", f"{login}@{LOOPBACK}"),
    ]
    beside = Server("ssh", client, ground.folder)
    try:
        await_port(beside, socks_port)
    except BaseException:
        served.stop()
        raise
    return Contender(
        "OpenSSH -D", "socks", socks_port, multiplexed=True, served=served, beside=(beside,)
    )


def site(program: Path, folder: Path) -> tuple[Server, int]:
    server = Server("site", [program, str(SITE_ADDRESSES)], folder)
    return server, _port_of(server, _first_line)


Start = Callable[[Ground], Contender | None]
"""None: it is not installed."""

STARTS: Sequence[Start] = (proxy, proxy_without_credit, direct, openssh, stunnel, twisted)


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as listening:
        return int(listening.getsockname()[1])


def _port_of(server: Server, told: Callable[[str], int | None]) -> int:
    """What its output tells of it; it is stopped if that never comes."""
    try:
        return server.awaited(told)
    except BaseException:
        server.stop()
        raise


def await_port(server: Server, port: int) -> None:
    """Until something listens there; the server sees a connection that is nothing."""

    def answered(_: str) -> int | None:
        with suppress(OSError), socket.create_connection((LOOPBACK, port), 1.0):
            return port
        return None

    _port_of(server, answered)


def _found(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def _first_line(text: str) -> int | None:
    line, end, _ = text.partition("\n")
    return int(line) if end else None


def _listening(text: str) -> int | None:
    whole_lines, _, _ = text.rpartition("\n")
    for line in whole_lines.splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if said.get("event") == "listening":
            return int(said["port"])
    return None
