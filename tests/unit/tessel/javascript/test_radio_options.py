"""Options of sockets that a radio or the device does not have: warnings, and clear errors."""

import socket
from threading import Thread

from support.javascript.on_device import run_on_device

SERVING = """
const net = require('net');
const http = require('http');
const server = net.createServer((socket) => socket.resume().on('error', () => {})).listen(0, () => {
  const { port } = server.address();
  %s
});
"""
ALL = """
for (const allowHalfOpen of [true, false]) {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen }, () => {
    socket.setNoDelay();
    socket.setNoDelay(false);
    socket.setKeepAlive(true);
    if (!allowHalfOpen) setTimeout(() => process.exit(), 50);
  });
}
"""


def warnings(done):
    return sorted(
        line.partition("Warning: ")[2] for line in done.err.splitlines() if "Warning: " in line
    )


def test_each_option_that_the_chip_ignores_is_one_warning(tmp_path):
    text = SERVING.replace("listen(0,", "listen(0, '127.0.0.1',") % ALL
    done = run_on_device(tmp_path, text, RADIO="cc3000-sim")
    assert done.code == 0, done.err
    assert warnings(done) == [
        "allowHalfOpen is ignored: the CC3000 closes both directions at once",
        "setNoDelay is ignored: the CC3000 cannot send without delay",
        "the host is ignored: the CC3000 listens for every machine that can reach it",
    ]


def test_a_radio_that_has_the_options_does_not_warn(tmp_path):
    done = run_on_device(tmp_path, SERVING % ALL)
    assert (done.code, done.err) == (0, "")


def test_http_itself_sets_options_without_a_warning(tmp_path):
    text = """
    const http = require('http');
    const server = http.createServer((request, response) => response.end('page')).listen(0, () => {
      http.get({ port: server.address().port, host: '127.0.0.1' }, (response) => {
        response.resume().on('end', () => process.exit());
      });
    });
    """
    done = run_on_device(tmp_path, text, RADIO="cc3000-sim")
    assert (done.code, done.err) == (0, "")


def test_the_own_address_of_a_connection_is_the_radios_choice(tmp_path):
    text = """
    const socket = net.connect({ port, host: 'localhost', localAddress: '127.0.0.1', localPort: 5 },
      () => { console.log(socket.localPort > 5); process.exit(); });
    """
    done = run_on_device(tmp_path, SERVING % text)
    assert (done.code, done.out) == (0, "true\n"), done.err
    assert warnings(done) == ["localAddress and localPort are ignored: the radio chooses them"]


def test_unix_sockets_are_refused_with_a_reason(tmp_path):
    text = """
    for (const attempt of [() => net.connect('/tmp/x'), () => net.connect({ path: '/tmp/x' }),
      () => net.createServer().listen('/tmp/x'), () => http.get({ socketPath: '/tmp/x' })]) {
      try { attempt(); } catch (error) { console.log(error.name, error.code, error.message); }
    }
    process.exit();
    """
    done = run_on_device(tmp_path, SERVING % text)
    assert done.code == 0, done.err
    for line in done.lines:
        assert line.startswith("TypeError ERR_INVALID_ARG_VALUE A device has no UNIX sockets")
    assert len(done.lines) == 4


def test_agents_keep_connections_around_the_proxy_apart(tmp_path):
    text = """
    const ports = [];
    const web = http.createServer((request, response) => {
      ports.push(request.socket.remotePort);
      response.end();
    }).listen(0, '127.0.0.1', () => {
      const agent = new http.Agent({ keepAlive: true });
      const around = new http.Agent({ keepAlive: true, proxy: false });
      const asked = [[agent], [agent], [agent, false], [agent, false], [around], [around, true]];
      (function next() {
        const [by, proxy] = asked.shift() || [];
        if (by === undefined) {
          console.log(ports.map((one) => ports.indexOf(one)).join());
          process.exit();
        }
        const options = { agent: by, port: web.address().port, host: '127.0.0.1' };
        if (proxy !== undefined) options.proxy = proxy;
        http.get(options, (response) => response.resume().on('end', () => setTimeout(next, 10)));
      })();
    });
    """
    done = run_on_device(tmp_path, SERVING % text)
    assert (done.code, done.out) == (0, "0,0,2,2,4,4\n"), done.err


def test_bytes_that_were_written_before_an_exit_arrive(tmp_path):
    exiting = """
    const socket = require('net').connect(Number(process.argv[2]), '127.0.0.1', () => {
      for (let count = 0; count < 100; count += 1) socket.write('x'.repeat(1000));
      process.exit(4);
    });
    """
    received = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take():
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(65536):
                    received.append(len(data))

        taking = Thread(target=take)
        taking.start()
        done = run_on_device(tmp_path, exiting, str(server.getsockname()[1]))
        taking.join(10)
    assert (done.code, sum(received)) == (4, 100_000), done.err
