"""No way of Node's leads to this machine's network around the device."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from support.javascript.on_device import run_on_device
from support.node import node

PROGRAMS = Path(__file__).parents[4] / "support" / "javascript" / "programs"
REFUSED = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM"
NODE_21 = "--experimental-eventsource --experimental-websocket"


@pytest.fixture
def ports():
    server = subprocess.Popen(
        [node(), PROGRAMS / "ways_server.js"], stdout=subprocess.PIPE, text=True
    )
    with server:
        yield server.stdout.readline().split()
        server.kill()


@pytest.mark.parametrize("radio", ["host", "cc3000-sim"])
def test_todays_ways_to_the_network_go_over_the_radio(tmp_path, ports, radio):
    program = (PROGRAMS / "ways.js").read_text()
    ran = run_on_device(
        tmp_path, program, *ports, RADIO=radio, NODE_OPTIONS=NODE_21, _PROXY_DBG="1"
    )
    assert json.loads(ran.out) == {
        "fetch": "page",
        "WebSocket": "frame",
        "EventSource": "event",
        "http2": "stream",
    }
    opened = int(re.search(r"the device opened (\d+) TCP connections in all", ran.err)[1])
    assert opened >= 3  # fetch and EventSource may share one


TRY = """
const tried = [];
function attempt(name, action) {
  try {
    action();
    tried.push([name, 'went']);
  } catch (error) {
    tried.push([name, error.code, error.message]);
  }
}
process.on('exit', () => console.log(JSON.stringify(tried)));
"""
PROCESSES = """
const children = require('child_process');
attempt('exec', () => children.exec('true'));
attempt('exec with a callback', () => children.exec('true', () => {}));
attempt('execFile', () => children.execFile('true'));
attempt('spawn', () => children.spawn('true', []));
attempt('spawn with pipes', () => children.spawn('true', { stdio: ['pipe', 'inherit', 'ignore'] }));
attempt('fork', () => children.fork(__filename));
attempt('execSync', () => children.execSync('true'));
attempt('execFileSync', () => children.execFileSync('true'));
attempt('spawnSync', () => children.spawnSync('true', []));
attempt('cluster', () => require('cluster').fork());
attempt('execve', () => (process.execve || children.execSync)('/bin/true', ['true'], {}));
"""
HANDLES = """
const handle = (name, kind, value) => new (process.binding(name)[kind])(value);
attempt('TCP connects', () => handle('tcp_wrap', 'TCP', 0).connect({}, '127.0.0.1', 80));
attempt('TCP binds', () => handle('tcp_wrap', 'TCP', 1).bind6('::', 0, 0));
attempt('TCP listens', () => handle('tcp_wrap', 'TCP', 1).listen(5));
attempt('UDP', () => handle('udp_wrap', 'UDP').bind('127.0.0.1', 0, 0));
attempt('Pipe', () => handle('pipe_wrap', 'Pipe', 0).connect({}, '/run/socket'));
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [(PROCESSES, "A device runs one program"), (HANDLES, "This way to the network does not go")],
    ids=["processes", "handles"],
)
def test_ways_around_the_device_fail_with_an_error_that_says_why(tmp_path, text, told):
    ran = run_on_device(tmp_path, TRY + text)
    tried = json.loads(ran.out)
    assert (ran.code, ran.err) == (0, "")
    assert [each for each in tried if each[1] != REFUSED or not each[2].startswith(told)] == []
    assert len(tried) == text.count("attempt(")


def test_the_error_has_the_programs_line(tmp_path):
    ran = run_on_device(tmp_path, "\nrequire('child_process').exec('true');\n")
    assert ran.code == 1
    assert f"Error [{REFUSED}]: A device runs one program" in ran.err
    assert "program.js:2:26)" in ran.err


def test_a_program_that_can_do_without_a_process_goes_on(tmp_path):
    text = (
        "const exec = require('util').promisify(require('child_process').exec);\n"
        "(async () => {\n"
        "  try { await exec('true'); } catch (error) { console.log(error.code); }\n"
        "})();\n"
    )
    assert run_on_device(tmp_path, text).out == f"{REFUSED}\n"


def test_modules_for_processes_may_be_loaded(tmp_path):
    ran = run_on_device(
        tmp_path, "import { spawn } from 'child_process'; import 'cluster';", name="program.mjs"
    )
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("place", ["{ path: 'socket' }", "'./socket'", "{ fd: 0 }"])
def test_a_server_needs_a_port(tmp_path, place):
    text = f"attempt('listen', () => require('net').createServer().listen({place}));"
    ran = run_on_device(tmp_path, TRY + text)
    ((_, *error),) = json.loads(ran.out)
    assert "a device has no UNIX sockets" in error[-1].replace("A device", "a device"), error
    assert not (tmp_path / "socket").exists()


IN_WORKER = """
const worker = require('worker_threads');
if (worker.isMainThread) {
  new worker.Worker(__filename, OPTIONS).on('message', (told) => console.log(JSON.stringify(told)));
} else {
  main().then((told) => worker.parentPort.postMessage(told));
}
"""
WAYS_IN_WORKER = """
function failure(start) {
  return new Promise((resolve) => {
    const failed = (error) => resolve((error.cause || error).code);
    try { start(failed)?.on?.('error', failed); } catch (error) { failed(error); }
  });
}
async function main() {
  const [http, http2, net, tls] = ['http', 'http2', 'net', 'tls'].map((name) => require(name));
  const text = 'require("child_process").execSync("true")';
  return {
    net: await failure(() => net.connect(1, '127.0.0.1')),
    named: await failure(() => net.connect(1, 'localhost')),
    server: await failure(() => net.createServer().listen(0)),
    http: await failure(() => http.get('http://localhost:8080')),
    tls: await failure(() => tls.connect(1, 'localhost')),
    http2: await failure(() => http2.connect('http://localhost:8080')),
    fetch: await failure((failed) => { fetch('http://localhost:8080').catch(failed); }),
    lookup: await failure((failed) => require('dns').lookup('localhost', failed)),
    promise: await failure((failed) => { require('dns/promises').lookup('a').catch(failed); }),
    process: await failure(() => require('child_process').execSync('true')),
    worker: await failure(() => new worker.Worker(text, { eval: true })),
  };
}
"""


@pytest.mark.parametrize(
    "options", ["{}", "{ execArgv: [], env: {} }", "{ env: worker.SHARE_ENV }"]
)
def test_a_worker_thread_has_no_network(tmp_path, options):
    ran = run_on_device(tmp_path, IN_WORKER.replace("OPTIONS", options) + WAYS_IN_WORKER)
    assert ran.err == ""
    assert set(json.loads(ran.out).values()) == {REFUSED}


def test_a_worker_thread_computes_and_sees_nothing_of_the_device(tmp_path):
    text = IN_WORKER.replace("OPTIONS", "{ argv: ['x'], workerData: 21 }") + (
        "async function main() {\n"
        "  const ours = Object.keys(process.env).filter((name) => /^TESSEL_.*_FD/.test(name));\n"
        "  return [process.argv[2], process.execArgv, ours, worker.workerData * 2];\n"
        "}\n"
    )
    ran = run_on_device(tmp_path, text)
    assert json.loads(ran.out) == ["x", [], [], 42]
