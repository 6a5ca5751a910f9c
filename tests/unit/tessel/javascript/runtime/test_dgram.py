"""`dgram` in a program that a device runs, compared with plain Node."""

import socket
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from support.javascript import on_device
from support.javascript.on_device import run_on_device, run_on_node

BATTERY = Path(on_device.__file__).parent / "programs" / "dgram.js"

PRELUDE = """
const dgram = require('dgram');
const say = (error, ...values) =>
  console.log(error ? `${error.code} ${error.message}` : '', ...values);
const codes = {};
function count(error) {
  const code = error ? error.code : 'sent';
  codes[code] = (codes[code] || 0) + 1;
}
"""


def ran(tmp_path, text, **environ):
    result = run_on_device(tmp_path, PRELUDE + text, **environ)
    assert result.code == 0, result.err
    return result


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def flood_of_datagrams(port):
    """Send datagrams to a port, 20 MB per second."""
    over = Event()

    def send():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            while not over.wait(0.001):
                for _ in range(20):
                    one.sendto(bytes(1000), ("127.0.0.1", port))

    sending = Thread(target=send)
    sending.start()
    yield
    over.set()
    sending.join()


def test_sockets_behave_as_in_plain_node(tmp_path):
    text = BATTERY.read_text()
    here, there = run_on_device(tmp_path, text), run_on_node(tmp_path, text)
    assert (here.code, here.err) == (0, "")
    assert here.lines == there.lines


@pytest.mark.parametrize("radio", ["host", "cc3000-sim"])
def test_datagrams_go_over_the_radio(tmp_path, radio):
    text = """
    const [a, b] = [dgram.createSocket('udp4'), dgram.createSocket('udp4')];
    a.on('message', (data, { port, address }) => a.send(['a', data], port, address, say));
    b.on('message', (data, { size }) => { say(null, String(data), size); a.close(); b.close(); });
    a.on('close', () => say(null, 'closed'));
    a.bind(() => b.send('hello', a.address().port, 'localhost', say));
    """
    assert ran(tmp_path, text, RADIO=radio).lines == [" 5", " 6", " ahello 6", " closed"]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (
            "try { dgram.createSocket('udp6') } catch (error) { say(error) }",
            "ERR_SOCKET_BAD_TYPE Bad socket type: a board's radio has only udp4, not udp6",
        ),
        (
            "try { new dgram.Socket({ type: 'udp6' }) } catch (error) { say(error) }",
            "ERR_SOCKET_BAD_TYPE Bad socket type: a board's radio has only udp4, not udp6",
        ),
        (
            "try { dgram.createSocket('udp4').bind({ fd: 3 }) } catch (error) { say(error) }",
            (
                "ERR_INVALID_ARG_VALUE bind: a device has no file descriptors: "
                "expected a port and an address"
            ),
        ),
        (
            "try { dgram.createSocket('udp4').getRecvBufferSize() } catch (error) { say(error) }",
            (
                "ERR_SOCKET_BUFFER_SIZE Could not get or set buffer size: uv_recv_buffer_size "
                "returned ENOTSUP (the radio's buffers have a fixed size)"
            ),
        ),
    ],
)
def test_an_option_that_a_radio_does_not_have_is_an_error(tmp_path, text, printed):
    assert ran(tmp_path, text).lines == [printed]


def test_ignored_options_are_warned_of_once(tmp_path):
    text = """
    const options = { type: 'udp4', reuseAddr: true, recvBufferSize: 5000 };
    for (let i = 0; i < 3; i += 1) dgram.createSocket(options).bind(function () { this.close(); });
    """
    lines = ran(tmp_path, text).err.splitlines()
    warnings = [line.partition("TesselWarning: ")[2] for line in lines if "Warning: " in line]
    assert warnings == [
        "dgram: reuseAddr is ignored: the radio binds a port once",
        "dgram: recvBufferSize is ignored: the radio's buffers have a fixed size",
    ]


def test_the_chip_has_neither_multicast_nor_a_ttl(tmp_path):
    text = """
    const socket = dgram.createSocket('udp4');
    socket.on('error', say);
    socket.addMembership('239.1.2.3');
    socket.bind(0, () => {
      for (const call of [() => socket.setTTL(5), () => socket.addMembership('239.1.2.3')]) {
        try { call(); } catch (error) { say(error); }
      }
      socket.setBroadcast(true);
      setImmediate(() => socket.close());
    });
    """
    assert ran(tmp_path, text, RADIO="cc3000-sim").lines == [
        "ENOTSUP setTTL ENOTSUP",
        "ENOTSUP addMembership ENOTSUP",
        "ENOTSUP addMembership ENOTSUP",
    ]


def test_too_many_datagrams_for_a_port_that_is_not_bound_are_dropped(tmp_path):
    text = """
    const socket = dgram.createSocket('udp4');
    for (let i = 0; i < 70; i += 1) socket.send('x', 9, '127.0.0.1', count);
    for (let i = 0; i < 5; i += 1) socket.send('x', 9, '127.0.0.1');
    process.on('exit', () => console.log(JSON.stringify(codes), socket.getSendQueueCount()));
    socket.once('listening', () => socket.unref());
    """
    assert ran(tmp_path, text).lines == ['{"ENOBUFS":6,"sent":64} 0']


def test_too_many_unsent_bytes_are_dropped(tmp_path):
    text = """
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1', () => {
      const data = Buffer.alloc(60000);
      for (let i = 0; i < 30; i += 1) socket.send(data, socket.address().port, '127.0.0.1', count);
      setTimeout(() => { console.log(JSON.stringify(codes)); socket.close(); }, 100);
    });
    """
    assert ran(tmp_path, text).lines == ['{"ENOBUFS":13,"sent":17}']


def test_datagrams_for_a_busy_program_do_not_fill_the_device(tmp_path):
    text = """
    const statm = `/proc/${process.ppid}/statm`;
    const pages = () => Number(require('fs').readFileSync(statm, 'ascii').split(' ')[1]);
    const socket = dgram.createSocket('udp4');
    let bytes = 0;
    socket.on('message', (data) => { bytes += data.length; });
    socket.bind(Number(process.argv[2]), '127.0.0.1');
    setTimeout(() => {
      const [before, until] = [pages(), Date.now() + 1000];
      while (Date.now() < until);
      console.log(bytes > 0, (pages() - before) * 4096 < 4 * 1024 * 1024);
      process.exit();
    }, 500);
    """
    number = free_port()
    with flood_of_datagrams(number):
        done = run_on_device(tmp_path, PRELUDE + text, str(number))
    assert done.lines == ["true true"]


def test_an_error_in_one_callback_concerns_no_other_event(tmp_path):
    text = """
    const socket = dgram.createSocket('udp4');
    process.on('uncaughtException', (error) => console.log(error.message));
    socket.on('message', (data) => {
      if (String(data) === '5') { socket.close(); return; }
      throw new Error(`in the callback of ${data}`);
    });
    socket.bind(0, '127.0.0.1', () => {
      for (let i = 1; i <= 5; i += 1) socket.send(String(i), socket.address().port, '127.0.0.1');
    });
    """
    assert ran(tmp_path, text).lines == [f"in the callback of {number}" for number in range(1, 5)]


def test_an_unreferenced_socket_lets_the_program_end(tmp_path):
    text = """
    dgram.createSocket('udp4').unref().bind(0);
    const socket = dgram.createSocket('udp4');
    socket.bind(0, () => { socket.unref(); console.log('bound'); });
    """
    assert ran(tmp_path, text).lines == ["bound"]
