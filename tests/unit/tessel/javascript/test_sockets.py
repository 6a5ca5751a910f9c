"""Programs with sockets and servers print the same on a device as on plain Node."""

import pytest

from support.javascript.plain_and_device import Servers, on_device, on_node
from support.javascript.sockets import SOCKET_PROGRAMS

PROGRAMS = (
    "destroyed.js",
    "events.js",
    "halves.js",
    "idle.js",
    "options.js",
    "pressure.js",
    "refused.js",
    "resets.js",
    "reuse.js",
    "serving.js",
    "web.js",
)


@pytest.fixture(scope="module")
def servers():
    running = Servers(SOCKET_PROGRAMS)
    yield running
    running.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_the_same_on_the_device(program, servers):
    printed, complaints = on_device(SOCKET_PROGRAMS / program, {**servers.environ, "RADIO": "host"})
    expected, _ = on_node(SOCKET_PROGRAMS / program, servers.environ)

    assert printed == expected, complaints
    assert complaints == ""
