"""Programs with TLS print the same on a device as on plain Node, with the same servers."""

import pytest

from support.javascript.tls import Servers, on_device, on_node, write_certificates

PROGRAMS = (
    "facts.js",
    "identities.js",
    "over_sockets.js",
    "overloads.js",
    "own_check.js",
    "own_servers.js",
    "transfers.js",
)


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
    expected, _ = on_node(program, servers.environ)

    assert printed == expected, complaints
    assert complaints == ""
