"""npm modules of the board's time and of today, each used by a program on the device.

The servers count their connections. Through the tunnel, the proxy's log has one substream for each
of them: none came around the proxy.
"""

import urllib.request
from collections import Counter

import pytest

from lab.deployment.base import PROGRAM_SECONDS
from lab.deployment.local import ROOT, LocalDeployment
from lab.waiting import eventually
from support.npm_battery import LOOPBACK, Battery, install
from support.pages import blocks

VERDICTS = {
    "async": "async: 1000 20000 300000, then 10 20",
    "axios": "axios: posted, unzipped, redirected, refused, secure",
    "faye_websocket": "faye-websocket: text and bytes, closed 1000",
    "fetch": "fetch: posted, unzipped, streamed 300000, secure",
    "mqtt": "mqtt: received by TCP and by TLS",
    "mqtt_board": "mqtt 1.0: board/led=off board/led=on",
    "needle": "needle: posted, unzipped, redirected, secure",
    "node_uuid": "node-uuid: sent and received",
    "nodejs_websocket": "nodejs-websocket: text and bytes, secure",
    "q": "q: both sizes, and the error was caught",
    "request": "request: posted, unzipped, redirected, piped, secure",
    "undici": "undici: requested, fetched, pooled",
    "ws": "ws: text, bytes, ping, large by TLS, closed 1000",
    "ws_board": "ws 0.7: text and bytes, secure",
    "xmlhttprequest": "xmlhttprequest: got, posted, secure",
}
EXAMPLES = {  # in examples/npm: the scheme of the URL that each takes, and what it prints
    "mqtt.js": ("mqtt", "device/temperature: 21.5"),
    "websocket.js": ("ws", "answer: Hello from the device"),
}
TUTORIAL = ROOT / "docs" / "first-javascript-program.md"
SECURE = {"PROXY_TLS": "end-to-end"}  # TLS goes through the tunnel, too
RELAYED_BYTES = 300_000


@pytest.fixture(scope="session")
def battery(deployment, tmp_path_factory):
    if not isinstance(deployment, LocalDeployment):
        pytest.skip("the servers of these programs run only on this machine")
    folder = tmp_path_factory.mktemp("npm") / "battery"
    install(folder)
    made = Battery(deployment, folder)
    yield made
    made.close()


@pytest.fixture(scope="session")
def examples(battery, tmp_path_factory):
    """The folder examples/npm, with its modules."""
    folder = tmp_path_factory.mktemp("npm") / "examples"
    install(folder, ROOT / "examples" / "npm")
    return folder


@pytest.mark.parametrize("program", VERDICTS)
def test_a_module_reaches_servers_over_the_radio(battery, watch, program):
    done = battery.run(program, PROXY_TOKEN=None)

    assert (done.exit_code, done.stdout) == (0, VERDICTS[program] + "\n"), done
    assert watch.tunnels == []


@pytest.mark.parametrize("program", VERDICTS)
def test_a_module_reaches_servers_through_the_tunnel(battery, watch, program):
    before = battery.connections()
    done = battery.run(program, **SECURE)

    assert (done.exit_code, done.stdout) == (0, VERDICTS[program] + "\n"), done
    made = battery.connections() - before
    assert made
    assert battery.services_of(watch.substreams(made.total())) == made


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_uses_its_module_through_the_tunnel(battery, examples, watch, example):
    scheme, verdict = EXAMPLES[example]
    done = battery.run_with_url(examples / example, scheme)

    assert (done.exit_code, done.stdout, done.stderr) == (0, verdict + "\n", "")
    assert battery.services_of(watch.substreams(1)) == Counter({scheme: 1})


def test_the_program_of_the_tutorial_uses_its_module_through_the_tunnel(battery, examples, watch):
    chat = next(block for block in blocks(TUTORIAL, "js") if "require('ws')" in block)
    (examples / "chat.js").write_text(chat)
    done = battery.run_with_url(examples / "chat.js", "ws")

    assert (done.exit_code, done.stdout, done.stderr) == (0, "hello\n", "")
    assert battery.services_of(watch.substreams(1)) == Counter(ws=1)


@pytest.mark.parametrize("settings", [{"PROXY_TOKEN": None}, SECURE], ids=["radio", "tunnel"])
def test_an_express_server_on_the_device_relays_a_page(battery, watch, settings):
    before = battery.connections()
    running = battery.launch("express", **settings)
    try:
        url = f"http://{LOOPBACK}:{_listening_port(running)}"
        with urllib.request.urlopen(f"{url}/relay/{RELAYED_BYTES}", timeout=10) as answer:
            assert answer.headers["x-from"] == "express"
            assert len(answer.read()) == RELAYED_BYTES
        with urllib.request.urlopen(f"{url}/end", timeout=10) as answer:
            assert answer.read() == b'{"ended":true}'
        assert running.wait(PROGRAM_SECONDS) == 0, running.stderr
    finally:
        running.kill()
    assert running.stdout.endswith("\nexpress: served and ended\n")
    assert battery.connections() - before == Counter(http=1)
    expected = Counter(http=1) if settings is SECURE else Counter()
    assert battery.services_of(watch.substreams(expected.total())) == expected


def _listening_port(running):
    """Wait until the program prints "listening PORT", and return the port."""
    line = eventually(
        lambda: running.stdout.partition("\n")[0] if "\n" in running.stdout else "",
        what=lambda: f"the server listens\n{running.stderr}",
    )
    return int(line.removeprefix("listening "))
