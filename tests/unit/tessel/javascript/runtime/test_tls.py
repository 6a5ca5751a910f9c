"""Programs with TLS print the same on a device as on plain Node, with the same servers."""

import re
from pathlib import Path

import pytest

from support.javascript.on_device import run_on_device
from support.javascript.plain_and_device import on_device, on_node
from support.javascript.tls import TLS_PROGRAMS, TlsServers, write_certificates

PROGRAMS = (
    "contexts.js",
    "facts.js",
    "failures.js",
    "http_two.js",
    "identities.js",
    "over_sockets.js",
    "overloads.js",
    "own_check.js",
    "own_servers.js",
    "requests.js",
    "special.js",
    "transfers.js",
)


def without_pids(text):
    return re.sub(r"\(node:\d+\)", "", text)


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    running = TlsServers(folder)
    yield running
    running.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_with_tls_prints_the_same_on_the_device(program, servers):
    printed, complaints = on_device(TLS_PROGRAMS / program, {**servers.environ, "RADIO": "host"})
    expected, warnings = on_node(TLS_PROGRAMS / program, servers.environ)

    assert printed == expected, complaints
    assert without_pids(complaints) == without_pids(warnings)


@pytest.mark.parametrize("program", ["variables.js"])
@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"NODE_EXTRA_CA_CERTS": "ca.pem"},
        {"NODE_EXTRA_CA_CERTS": "missing.pem"},
        {"NODE_TLS_REJECT_UNAUTHORIZED": "0"},
        {"NODE_TLS_REJECT_UNAUTHORIZED": "1"},
    ],
)
def test_nodes_variables_for_certificates_have_an_effect(program, variables, servers):
    given = servers.environ | variables
    if "NODE_EXTRA_CA_CERTS" in given:
        given["NODE_EXTRA_CA_CERTS"] = f"{given['FOLDER']}/{given['NODE_EXTRA_CA_CERTS']}"
    printed, complaints = on_device(TLS_PROGRAMS / program, {**given, "RADIO": "host"})
    expected, warnings = on_node(TLS_PROGRAMS / program, given)

    assert printed == expected, complaints
    assert bool(complaints) == bool(warnings)


def test_tls_by_node_trusts_the_authorities_of_the_device(servers, tmp_path):
    folder = servers.environ["FOLDER"]
    program = """
        const tls = require('tls');
        const port = JSON.parse(process.env.PORTS).greet;
        const options = { host: 'localhost', port, servername: 'localhost' };
        const over = () => ({ ...options, socket: require('net').connect(port, 'localhost') });
        for (const each of [options, { ...options, ecdhCurve: 'P-256' }, over()]) {
          const done = (seen) => { console.log(seen); socket.destroy(); };
          const socket = tls.connect(each, () => done(socket.authorized));
          socket.on('error', ({ code }) => done(code));
        }
    """
    unknown = "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    for authority, seen in (("ca.pem", "true"), ("other-ca.pem", unknown)):
        given = {**servers.environ, "SSL_CERT_FILE": f"{folder}/{authority}"}
        done = run_on_device(tmp_path, program, **given)
        assert done.out.split() == [seen] * 3, done


@pytest.mark.parametrize("name", ["5", "true", "[]", "Buffer.from('localhost')"])
def test_a_servername_that_is_no_text_is_the_programs_error(tmp_path, name):
    program = f"""
        const options = {{ host: 'localhost', port: 1, servername: {name} }};
        for (const call of [require('tls').connect, require('https').get]) {{
          try {{ call(options); }} catch ({{ code, message }}) {{ console.log(code, message); }}
        }}
    """
    ran = run_on_device(tmp_path, program)
    told = 'ERR_INVALID_ARG_TYPE The "options.servername" property must be of type string.'
    assert (ran.code, ran.err) == (0, "")
    assert [line.partition(" Received")[0] for line in ran.lines] == [told] * 2


def test_options_that_do_not_fit_the_channel_are_errors_and_nothing_is_left_open(servers, tmp_path):
    authority = Path(servers.environ["FOLDER"], "ca.pem").read_text()
    program = f"""
        const ca = {authority!r} + '#'.repeat(1 << 20);
        try {{ require('tls').connect({{ port: 1, ca }}); }} catch (error) {{
          console.log(error.code, error.message);
        }}
    """
    done = run_on_device(tmp_path, program)
    assert done.code == 0, done
    assert re.match(r"ERR_OUT_OF_RANGE The options of TLS have 10\d{5} bytes, in JSON; ", done.out)


@pytest.mark.parametrize(
    ("asks", "warnings"),
    [
        ("", []),
        ("socket.setNoDelay();", ["setNoDelay is ignored: the CC3000 cannot send without delay"]),
    ],
)
def test_the_chip_warns_of_no_delay_only_if_the_program_asks_for_it(
    servers, tmp_path, asks, warnings
):
    program = f"""
        const {{ FOLDER, PORTS }} = process.env;
        const port = JSON.parse(PORTS).http2;
        const ca = require('fs').readFileSync(`${{FOLDER}}/ca.pem`);
        const options = {{ host: 'localhost', port, ca, ALPNProtocols: ['h2'] }};
        const socket = require('tls').connect(options, () => {{
          {asks}
          const over = {{ createConnection: () => socket }};
          const session = require('http2').connect('https://localhost', over);
          session.request({{ ':path': '/' }}).on('end', () => session.close()).resume();
        }});
    """
    ran = run_on_device(tmp_path, program, **servers.environ, RADIO="cc3000-sim")
    assert ran.code == 0, ran
    lines = ran.err.splitlines()
    assert [text for line in lines if (text := line.partition("TesselWarning: ")[2])] == warnings
