"""A `dgram` socket over a device that the test plays: events that a real device seldom sends."""

import json
from pathlib import Path

import tessel.javascript
from support.javascript.on_device import run_on_node

RUNTIME = Path(tessel.javascript.__file__).parent / "runtime"

PRELUDE = """
const say = (...values) => console.log(JSON.stringify(values));
const shown = (error) => error && [error.code, error.syscall, error.message];
const device = {
  held: 0,
  calls: [],
  add(port) { this.port = port; return 1; },
  remove() { this.port = null; },
  hold() { this.held += 1; },
  release() { this.held -= 1; },
  sendEnvironment() {},
  call(id, { op, ...fields }, data) { this.calls.push(data ? [op, String(data)] : [op]); },
  sendCredit(id, nbytes) { this.calls.push(['credit', nbytes]); },
  tell(event, fields, data) {
    this.port.onEvent({ event, ...fields }, data);
    return new Promise((done) => setImmediate(done));
  },
  bound() {
    const address = { address: '127.0.0.1', port: 5000, family: 'IPv4' };
    return this.tell('bound', { address, options: true, host_ignored: false });
  },
};
const turn = () => new Promise((done) => setImmediate(done));
require(`${process.argv[2]}/dgram`).install(device);
const socket = require('dgram').createSocket('udp4');
socket.on('error', (error) => say('error', ...shown(error)));
socket.on('close', () => say('close', device.held));
"""


def ran(tmp_path, text):
    done = run_on_node(tmp_path, f"{PRELUDE}(async () => {{ {text} }})();", str(RUNTIME))
    assert (done.code, done.err) == (0, "")
    return [json.loads(line) for line in done.lines]


def test_a_lost_port_is_an_error_and_a_close(tmp_path):
    text = """
    socket.bind(5000);
    await turn();
    await device.bound();
    const message = 'bind EADDRINUSE: the port was lost: in use';
    await device.tell('lost', { error: { message, code: 'EADDRINUSE' } });
    await device.tell('closed', {});
    say(device.held, device.calls.at(-1));
    """
    assert ran(tmp_path, text) == [
        ["error", "EADDRINUSE", "bind", "bind EADDRINUSE: the port was lost: in use"],
        ["close", 1],
        [0, ["close"]],
    ]


def test_datagrams_that_are_not_sent_when_the_port_is_closed_are_cancelled(tmp_path):
    text = """
    socket.bind(5000);
    await turn();
    await device.bound();
    for (const data of ['one', 'two', 'three']) {
      socket.send(data, 9, '127.0.0.1', (error, size) => say(shown(error), size));
    }
    await turn();
    device.port.onCredit(1);
    await device.tell('unsent', { code: 'EACCES' });
    socket.close();
    await turn();
    await device.tell('closed', {});
    await turn();
    say(device.held);
    """
    assert ran(tmp_path, text) == [
        [None, 3],
        [["EACCES", "send", "send EACCES 127.0.0.1:9"], 3],
        ["close", 2],
        [["ECANCELED", "send", "send ECANCELED 127.0.0.1:9"], 5],
        [0],
    ]


def test_an_option_that_the_device_refuses_later_is_an_error(tmp_path):
    text = """
    socket.bind(5000);
    socket.addMembership('239.1.2.3');
    await turn();
    await device.bound();
    const error = { message: 'addMembership EADDRNOTAVAIL', code: 'EADDRNOTAVAIL' };
    await device.tell('refused', { option: 'addMembership', error });
    say(device.calls);
    """
    assert ran(tmp_path, text) == [
        ["error", "EADDRNOTAVAIL", "addMembership", "addMembership EADDRNOTAVAIL"],
        [[["bind"], ["option"]]],
    ]


def test_a_port_that_is_bound_after_the_socket_was_closed_is_not_reported(tmp_path):
    text = """
    socket.on('listening', () => say('never'));
    socket.bind(5000);
    await turn();
    socket.close();
    await device.bound();
    await device.tell('message', { address: '127.0.0.1', port: 9 }, Buffer.from('late'));
    await device.tell('closed', {});
    say(device.held, device.calls);
    """
    assert ran(tmp_path, text) == [["close", 1], [0, [["bind"], ["close"]]]]


def test_credit_is_returned_also_for_datagrams_that_are_ignored(tmp_path):
    text = """
    socket.bind(5000);
    await turn();
    await device.bound();
    socket.connect(9, '127.0.0.1');
    await turn();
    socket.on('message', (data, { port }) => say(data.length, port));
    const data = Buffer.alloc(20000);
    await device.tell('message', { address: '127.0.0.1', port: 8 }, data);
    await device.tell('message', { address: '127.0.0.1', port: 9 }, data);
    await device.tell('message', { address: '127.0.0.1', port: 9 });
    say(device.calls);
    """
    assert ran(tmp_path, text) == [[20000, 9], [0, 9], [[["bind"], ["credit", 40_256]]]]


def test_a_callback_that_throws_does_not_keep_the_others_from_being_called(tmp_path):
    text = """
    process.on('uncaughtException', (error) => say(error.message));
    socket.bind(5000);
    await turn();
    await device.bound();
    for (const number of [1, 2]) {
      socket.send('x', 9, '127.0.0.1', () => { throw new Error(`in callback ${number}`); });
    }
    await turn();
    socket.close();
    await turn();
    await device.tell('closed', {});
    await turn();
    say(device.held);
    """
    assert ran(tmp_path, text) == [["close", 3], ["in callback 1"], ["in callback 2"], [0]]
