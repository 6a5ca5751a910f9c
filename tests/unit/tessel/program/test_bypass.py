"""Plain Python sockets bypass the device's network; a warning reports it once."""

import subprocess
import sys
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Quiet(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def port():
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def run(folder, program, port, **environ):
    (folder / "program.py").write_text("import sys\nport = int(sys.argv[1])\n" + program)
    command = [sys.executable, "-m", "tessel", "run", "program.py", str(port)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=30, cwd=folder, env=environ, check=False
    )


WAYS = {
    "socket": "import socket; socket.create_connection(('127.0.0.1', port)).close()",
    "urllib": "import urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{port}/').read()",
    "http.client": """
        import http.client
        http.client.HTTPConnection("127.0.0.1", port).request("GET", "/")
    """,
    "asyncio": """
        import asyncio
        async def main():
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        asyncio.run(main())
    """,
    "datagram": """
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"x", ("127.0.0.1", port))
    """,
    "server": "import socket; socket.create_server(('127.0.0.1', 0)).close()",
    "thread": """
        import urllib.request
        from twisted.internet.threads import deferToThread
        deferToThread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{port}/").read())
    """,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_plain_socket_is_reported_with_its_line_and_what_to_use(tmp_path, port, way):
    told = run(tmp_path, textwrap.dedent(WAYS[way]), port, RADIO="cc3000-sim")

    assert told.returncode == 0, told.stderr
    assert told.stderr.count("bypasses the device's network") == 1
    assert told.stderr.startswith("program.py:")
    assert "tessel.agent" in told.stderr
    assert "treq" in told.stderr


def test_it_is_reported_once(tmp_path, port):
    told = run(
        tmp_path,
        "import socket\nfor _ in range(3):\n"
        "    socket.create_connection(('127.0.0.1', port)).close()\n"
        "socket.create_connection(('127.0.0.1', port)).close()\n",
        port,
        PROXY_TOKEN="x",
        PROXY_HOST="h",
    )

    assert told.stderr.count("bypasses the device") == 1
    assert told.stderr.startswith("program.py:5:")


OURS = """
from tessel import dgram, dns, http, net
def call():
    client = net.connect(server.address()["port"], "127.0.0.1")
    client.on("close", lambda *_: server.close()).resume()
server = net.create_server(lambda socket: socket.end()).listen(0, call)
http.get(f"http://localhost:{port}/", lambda response: response.resume())
dns.lookup("localhost", lambda *_: None)
udp = dgram.create_socket("udp4")
udp.send("x", port, "127.0.0.1", lambda *_: udp.close())
"""


@pytest.mark.parametrize("radio", ["host", "cc3000-sim"])
def test_the_devices_own_sockets_are_not_reported(tmp_path, port, radio):
    told = run(tmp_path, OURS, port, RADIO=radio, PROXY_TOKEN="x", PROXY_HOST="h")

    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("way", ["socket", "unix"])
def test_what_bypasses_nothing_is_not_reported(tmp_path, port, way):
    program = {
        "socket": WAYS["socket"],
        "unix": "import socket; socket.socket(socket.AF_UNIX).connect_ex('/nowhere')",
    }[way]
    environ = {"RADIO": "cc3000-sim"} if way == "unix" else {"RADIO": "host"}
    told = run(tmp_path, program, port, **environ)

    assert (told.returncode, told.stderr) == (0, "")
