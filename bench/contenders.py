"""The contenders, that is the programs that are measured: how to start and how to reach each.

All TLS servers use the same certificate and listen on loopback only.
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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from bench.processes import BenchError, Server, Usage

LOOPBACK = "127.0.0.1"
SITE_ADDRESSES = 8  # loopback addresses of the site; each allows 28,000 ephemeral ports
TOKEN = "bench-token"
FEATURES = ("reuse/1", "halfclose/1", "ping/1")
_ROOT = Path(__file__).parents[1]
_UNPRIVILEGED = "nobody"  # the user of sshd if root runs the bench


@dataclass(frozen=True, slots=True)
class Setup:
    """The parts that all contenders share: folder, certificate and target site."""

    folder: Path
    site_port: int

    @property
    def certificate(self) -> Path:
        return self.folder / "public-cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "private-key.pem"


class Serving(TypedDict):
    """A started server and its port."""

    port: int
    served: Server


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that is measured, and its processes."""

    name: str
    way: str  # how the client reaches the site: direct, tls, socks or tunnel
    port: int
    multiplexed: bool = False  # many streams share a connection
    credit: bool = False  # the client offers credit/1
    served: Server | None = None  # the process whose CPU and memory are measured
    beside: tuple[Server, ...] = field(default=())  # other processes that it needs

    def usage(self) -> Usage:
        """Return CPU time and memory of the measured process, so far."""
        return self.served.usage() if self.served else Usage(0.0, 0)

    def options(self, setup: Setup) -> list[str]:
        """Return the client's command-line options for this contender."""
        features = (*FEATURES, "credit/1") if self.credit else FEATURES
        options = {
            "--way": self.way,
            "--port": str(self.port),
            "--site": str(setup.site_port),
            "--addresses": str(SITE_ADDRESSES),
            "--token": TOKEN,
            "--features": ",".join(f'"{feature}"' for feature in features),
        }
        return [text for pair in options.items() for text in pair]

    def stop(self) -> None:
        """Stop all processes."""
        for server in (*self.beside, *((self.served,) if self.served else ())):
            server.stop()


def command(name: str) -> Path:
    """Return the path of a command in this virtual environment."""
    return Path(sys.executable).with_name(name)


def make_certificate(folder: Path) -> None:
    """Make the certificate that all TLS servers use."""
    made = subprocess.run(
        [command("tessel-proxy"), "make-cert", "--out", folder, "localhost", LOOPBACK],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise BenchError(f"cannot make a certificate\n{made.stderr}")


@dataclass(frozen=True, slots=True)
class Launch:
    """The command line that starts the proxy, and settings beside those of the bench."""

    program: Sequence[str | Path] = (command("tessel-proxy"),)
    settings: Mapping[str, str] = field(default_factory=dict)


PLAIN = Launch()


def direct(setup: Setup) -> Contender:
    """Return the site itself, reached by plain TCP."""
    return Contender("direct TCP", "direct", setup.site_port)


def proxy(setup: Setup, launch: Launch = PLAIN) -> Contender:
    """Start the proxy, for a client that offers flow control."""
    return Contender("proxy", "tunnel", multiplexed=True, credit=True, **_proxy(setup, launch))


def proxy_with(setup: Setup, settings: dict[str, str]) -> Contender:
    """Start the proxy with more settings."""
    server = Server("proxy", [command("tessel-proxy")], setup.folder, _settings(setup) | settings)
    port = _port_of(server, _listening)
    return Contender("proxy", "tunnel", port, multiplexed=True, credit=True, served=server)


def proxy_without_credit(setup: Setup) -> Contender:
    """Start the proxy, for a client that does not offer flow control."""
    return Contender("no credit/1", "tunnel", multiplexed=True, **_proxy(setup))


def proxy_with_workers(setup: Setup, workers: int, launch: Launch = PLAIN) -> Contender:
    """Start the proxy with workers, and wait until all of them serve."""
    settings = {**_settings(setup), **launch.settings, "WORKERS": str(workers)}
    server = Server("proxy", launch.program, setup.folder, settings)

    def all_serve(text: str) -> int | None:
        return _listening(text) if text.count('"worker_serves"') == workers else None

    port = _port_of(server, all_serve)
    return Contender("workers", "tunnel", port, multiplexed=True, credit=True, served=server)


def _proxy(setup: Setup, launch: Launch = PLAIN) -> Serving:
    """Start the proxy."""
    server = Server("proxy", launch.program, setup.folder, {**_settings(setup), **launch.settings})
    return {"port": _port_of(server, _listening), "served": server}


def _settings(setup: Setup) -> dict[str, str]:
    """Return the default settings, except limits that the load would exceed."""
    return {
        "HOST": LOOPBACK,
        "PORT": "0",
        "CERT_FILE": str(setup.certificate),
        "KEY_FILE": str(setup.key),
        "AUTH_HARDCODED": TOKEN,
        "EGRESS_ALLOW": "127.0.0.0/8",
        "LOG_FORMAT": "json",
        "MAX_SUBSTREAMS": "20000",
        "MAX_SUBSTREAMS_PER_ACCOUNT": "20000",
        "MAX_TUNNELS_PER_ACCOUNT": "4096",
        "OPENS_PER_S": "1000000",
        "TUNNEL_WINDOW_MAX": str(1 << 30),  # enough for the first windows of 10,000 substreams
    }


def twisted(setup: Setup) -> Contender:
    """Start Twisted's own port forwarder behind TLS."""
    server = Server(
        "twisted",
        [
            *(sys.executable, "-m", "bench.twisted_forwarder"),
            *(setup.certificate, setup.key, str(setup.site_port)),
        ],
        setup.folder,
        {"PYTHONPATH": str(_ROOT)},
    )
    return Contender("Twisted forwarder", "tls", port=_port_of(server, _first_line), served=server)


def stunnel(setup: Setup) -> Contender | None:
    """Start stunnel, if it is installed."""
    program = shutil.which("stunnel4") or shutil.which("stunnel")
    if program is None:
        return None
    port = free_port()
    settings = setup.folder / f"stunnel-{port}.conf"
    settings.write_text(
        "foreground = yes\npid =\n[relay]\n"
        f"accept = {LOOPBACK}:{port}\nconnect = {LOOPBACK}:{setup.site_port}\n"
        f"cert = {setup.certificate}\nkey = {setup.key}\n"
        "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
    )
    server = Server("stunnel", [program, settings], setup.folder)
    await_port(server, port)
    return Contender("stunnel", "tls", port, served=server)


def openssh(setup: Setup) -> Contender | None:
    """Start an sshd with temporary keys, and a connected `ssh -D` that offers SOCKS."""
    sshd, ssh, keygen = (_found(name) for name in ("sshd", "ssh", "ssh-keygen"))
    if not (sshd and ssh and keygen):
        return None
    folder = Path(tempfile.mkdtemp(dir=setup.folder))
    folder.chmod(0o711)
    for name in ("host", "user"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    user = _UNPRIVILEGED if os.getuid() == 0 else None
    if user:  # the unprivileged server must own its key
        setup.folder.chmod(0o711)
        for path in (folder, folder / "host", folder / "user.pub"):
            shutil.chown(path, user)
    port, socks_port = free_port(), free_port()
    settings = folder / "sshd_config"
    settings.write_text(
        f"ListenAddress {LOOPBACK}:{port}\nHostKey {folder}/host\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/user.pub\nStrictModes no\nUsePAM yes\n"
        "PasswordAuthentication no\nAllowTcpForwarding yes\n"
    )
    served = Server("sshd", [sshd, "-D", "-e", "-f", settings], setup.folder, user=user)
    await_port(served, port)
    login = user or pwd.getpwuid(os.getuid()).pw_name
    client: list[str | Path] = [
        *(ssh, "-N", "-F", "none", "-D", f"{LOOPBACK}:{socks_port}", "-p", str(port)),
        *("-i", folder / "user", "-c", "aes128-gcm@openssh.com", "-o", "BatchMode=yes"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        *("-o", "ExitOnForwardFailure=yes", f"{login}@{LOOPBACK}"),
    ]
    beside = Server("ssh", client, setup.folder)
    try:
        await_port(beside, socks_port)
    except BaseException:
        served.stop()
        raise
    return Contender(
        "OpenSSH -D", "socks", socks_port, multiplexed=True, served=served, beside=(beside,)
    )


def site(program: Path, folder: Path) -> tuple[Server, int]:
    """Start the target site (native/site.c); return it and its port."""
    server = Server("site", [program, str(SITE_ADDRESSES)], folder)
    return server, _port_of(server, _first_line)


Start = Callable[[Setup], Contender | None]
"""Starts a contender; returns None if it is not installed."""

STARTS: Sequence[Start] = (proxy, proxy_without_credit, direct, openssh, stunnel, twisted)


def free_port() -> int:
    """Return a TCP port of loopback that is free now."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        return int(listening.getsockname()[1])


def _port_of(server: Server, parse: Callable[[str], int | None]) -> int:
    """Wait until `parse` finds the port in the server's output; if it fails, stop the server."""
    try:
        return server.awaited(parse)
    except BaseException:
        server.stop()
        raise


def await_port(server: Server, port: int) -> None:
    """Wait until something listens on the port, by connecting to it."""

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
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "listening":
            return int(entry["port"])
    return None
