"""Programs with TLS print the same on a device as on plain Node, with the same servers."""

import re
from pathlib import Path

import pytest

from support.javascript.on_device import run_on_device
from support.javascript.tls import Servers, on_device, on_node, write_certificates

PROGRAMS = (
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
    running = Servers(folder)
    yield running
    running.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_with_tls_prints_the_same_on_the_device(program, servers):
    printed, complaints = on_device(program, {**servers.environ, "RADIO": "host"})
    expected, warnings = on_node(program, servers.environ)

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
    printed, complaints = on_device(program, {**given, "RADIO": "host"})
    expected, warnings = on_node(program, given)

    assert printed == expected, complaints
    assert bool(complaints) == bool(warnings)


def test_options_that_do_not_fit_the_channel_are_told_and_nothing_is_left_open(servers, tmp_path):
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
