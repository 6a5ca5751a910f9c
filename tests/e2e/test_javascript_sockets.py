"""JavaScript programs with sockets print the same through the tunnel as on plain Node.

The programs are in tests/support/javascript/sockets, with their servers.
"""

import pytest

from lab.deployment.base import PROGRAM_SECONDS, finish
from lab.deployment.local import LocalDeployment
from support.javascript.plain_and_device import Servers, on_node
from support.javascript.sockets import SOCKET_PROGRAMS

PROGRAMS = ("destroyed.js", "halves.js", "pressure.js", "resets.js", "reuse.js")


@pytest.fixture(scope="module")
def environ(deployment):
    if not isinstance(deployment, LocalDeployment):
        pytest.skip("the servers of these programs run only on this machine")
    servers = Servers(SOCKET_PROGRAMS)
    yield servers.environ
    servers.close()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_the_same_through_the_tunnel(deployment, environ, watch, program):
    settings = {**deployment.device_settings(), **environ, "RADIO": "host"}
    command = ["tessel", "run", str(SOCKET_PROGRAMS / program)]
    done = finish(deployment.start(command, settings), PROGRAM_SECONDS)
    assert done.exit_code == 0, done
    assert done.stdout == on_node(SOCKET_PROGRAMS / program, environ)[0]
    assert len(watch.tunnels) == 1
