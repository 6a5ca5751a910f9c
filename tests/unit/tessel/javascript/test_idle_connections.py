"""Idle connections of HTTP agents on radios with few sockets, and on others."""

import json
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from support.javascript.on_device import run_on_device

CHIPS_SOCKETS = 4

VISITING = """
const http = require('http');
const options = %s;
const agent = options.agent === 'own' ? new http.Agent({ keepAlive: true }) : http.globalAgent;
function visit(ports) {
  if (ports.length === 0) return agent.destroy();
  return http.get({ port: ports[0], host: '127.0.0.1', agent }, (response) => {
    response.resume();
    response.on('end', () => {
      console.log(response.statusCode);
      setTimeout(visit, 10, ports.slice(1));
    });
  });
}
visit(options.ports);
"""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Print nothing."""


@contextmanager
def answering():
    """A server on loopback that keeps connections open, and counts them."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        server.connections = 0
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def visit(folder, ports, radio, agent="default"):
    program = VISITING % json.dumps({"ports": ports, "agent": agent})
    return run_on_device(folder, program, RADIO=radio)


def test_more_servers_can_be_visited_in_turn_than_the_chip_has_sockets(tmp_path):
    with ExitStack() as stack:
        servers = [stack.enter_context(answering()) for _ in range(CHIPS_SOCKETS + 2)]
        done = visit(tmp_path, [server.server_port for server in servers], "cc3000-sim")
    assert (done.code, done.lines) == (0, ["200"] * len(servers)), done.err


@pytest.mark.parametrize(
    ("radio", "agent", "connections"),
    [("host", "default", 1), ("cc3000-sim", "default", 3), ("cc3000-sim", "own", 1)],
)
def test_only_the_default_agent_on_a_chip_connects_for_each_request(
    radio, agent, connections, tmp_path
):
    with answering() as server:
        done = visit(tmp_path, [server.server_port] * 3, radio, agent)
        assert (done.code, done.lines) == (0, ["200"] * 3), done.err
        assert server.connections == connections
