"""Idle connections of HTTP agents on radios with few sockets, and on others."""

import json
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from support.javascript.on_device import run_on_device

CHIPS_SOCKETS = 4

IN_JAVASCRIPT = """
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

IN_PYTHON = """
import json
from twisted.internet import reactor
from tessel import http

options = json.loads('%s')
own = options["agent"] == "own"
agent = http.Agent(keep_alive=True) if own else http.global_agent


def visit(ports):
    if not ports:
        agent.destroy()
        return

    def answered(response):
        response.resume()
        response.on("end", lambda: print(response.status_code))
        response.on("end", lambda: reactor.callLater(0.01, visit, ports[1:]))

    http.get({"port": ports[0], "host": "127.0.0.1", "agent": agent}, answered)


visit(options["ports"])
"""

PROGRAMS = {"program.js": IN_JAVASCRIPT, "program.py": IN_PYTHON}


@pytest.fixture(params=PROGRAMS)
def visit(request, tmp_path):
    """Runs a program in one of the languages that visits the ports in turn."""

    def run(ports, radio, agent="default"):
        text = PROGRAMS[request.param] % json.dumps({"ports": ports, "agent": agent})
        return run_on_device(tmp_path, text, name=request.param, RADIO=radio)

    return run


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
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_more_servers_can_be_visited_in_turn_than_the_chip_has_sockets(visit):
    with ExitStack() as stack:
        servers = [stack.enter_context(answering()) for _ in range(CHIPS_SOCKETS + 2)]
        done = visit([server.server_port for server in servers], "cc3000-sim")
    assert (done.code, done.lines) == (0, ["200"] * len(servers)), done.err


@pytest.mark.parametrize(
    ("radio", "agent", "connections"),
    [("host", "default", 1), ("cc3000-sim", "default", 3), ("cc3000-sim", "own", 1)],
)
def test_only_the_default_agent_on_a_chip_connects_for_each_request(
    visit, radio, agent, connections
):
    with answering() as server:
        done = visit([server.server_port] * 3, radio, agent)
        assert (done.code, done.lines) == (0, ["200"] * 3), done.err
        assert server.connections == connections
