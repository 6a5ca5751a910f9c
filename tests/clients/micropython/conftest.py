"""MicroPython programs over the tunnel, through a real proxy."""

import http.server
import json
import os
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
import trustme

from support.clients.real_proxy import proxy_to
from support.clients.roster import REPOSITORY, micropython
from support.clients.targets import Targets
from support.hardening.proxy import TOKEN

HERE = Path(__file__).parent
CLIENT = REPOSITORY / "clients" / "micropython"
THIRD_PARTY = HERE / "third_party"
RUN_S = 100.0


class Micropython:
    """Runs programs of the folder `programs` in a folder with the settings of a tunnel."""

    def __init__(self, folder):
        self.folder = folder
        self._known = {}

    def run(self, program, *args, options=(), path=CLIENT):
        """Return what the program printed; it has to succeed."""
        done = subprocess.run(
            [micropython(), *options, str(HERE / "programs" / f"{program}.py"), *map(str, args)],
            cwd=self.folder,
            env={**os.environ, "MICROPYPATH": f"{self.folder}:{path}:{THIRD_PARTY}:.frozen"},
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        # its errors go to the standard output
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def settings(self, **more):
        """Name the proxy in settings.py; and in a JSON file, whose path is returned."""
        self._known |= more
        lines = (f"{name.upper()} = {value!r}\n" for name, value in self._known.items())
        (self.folder / "settings.py").write_text("".join(lines))
        path = self.folder / "tunnel.json"
        path.write_text(json.dumps(self._known).replace('"authority"', '"cafile"'))
        return path


@pytest.fixture(scope="session")
def targets(tmp_path_factory):
    targets = Targets(tmp_path_factory.mktemp("targets"))
    yield targets
    targets.close()


@pytest.fixture(scope="session")
def proxy(tmp_path_factory, targets):
    with proxy_to(targets, trustme.CA(), tmp_path_factory.mktemp("proxy")) as proxy:
        yield proxy


@pytest.fixture
def python(tmp_path):
    """MicroPython, without a tunnel."""
    if micropython() is None:
        pytest.skip("no MicroPython; make clients-test installs one")
    return Micropython(tmp_path)


@pytest.fixture
def board(python, proxy):
    """MicroPython, with the settings of a tunnel."""
    python.settings(
        host="localhost", port=proxy.port, token=TOKEN, authority=str(proxy.authority_file)
    )
    return python


class _Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = b"x" * int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def sites(targets):
    """The ports of a web site, by scheme. /N is a page of N bytes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    targets.authority.issue_cert("localhost").configure_cert(context)
    servers = {}
    for scheme in ("http", "https"):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
        if scheme == "https":
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers[scheme] = server
    yield {scheme: server.server_address[1] for scheme, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()
