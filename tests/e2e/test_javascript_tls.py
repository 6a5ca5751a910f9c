"""JavaScript programs with TLS through the tunnel, and over the chip: what they print, and routes.

The programs are in tests/support/javascript/tls, with their servers. A program that prints the same
on plain Node has met no difference.
"""

import shutil
from pathlib import Path

import pytest

from lab.deployment.base import PROGRAM_SECONDS, finish
from lab.deployment.local import LocalDeployment
from support.javascript.plain_and_device import on_node
from support.javascript.tls import TLS_PROGRAMS, TlsServers, write_certificates

END_TO_END = {"PROXY_TLS": "end-to-end"}
PROGRAMS = (
    "facts.js",
    "failures.js",
    "http_two.js",
    "identities.js",
    "over_sockets.js",
    "own_check.js",
    "own_servers.js",
    "requests.js",
    "special.js",
    "transfers.js",
)
ELSEWHERE = (
    "Host: elsewhere.example. is not in the cert's altnames: DNS:localhost, IP Address:127.0.0.1,"
    "elsewhere.example,"
)
NOTHING_KNOWN = "true,,true,false,,,true,true,false"  # the proxy does not say


@pytest.fixture(scope="session")
def local(deployment):
    if not isinstance(deployment, LocalDeployment):
        pytest.skip("the servers of these programs run only on this machine")
    return deployment


@pytest.fixture(scope="session")
def environ(local, tmp_path_factory):
    """The servers with certificates of an authority that only the programs trust."""
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    servers = TlsServers(folder)
    yield {**servers.environ, "ADDRESSES": "unknown"}
    servers.close()


@pytest.fixture(scope="session")
def trusted(local, tmp_path_factory):
    """The servers with the certificate of an authority that the proxy and the device trust."""
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    certificates = Path(local.target_authority).parent
    shutil.copy(certificates / "authority-cert.pem", folder / "ca.pem")
    shutil.copy(certificates / "public-cert.pem", folder / "server.pem")
    shutil.copy(certificates / "private-key.pem", folder / "server.key")
    servers = TlsServers(folder)
    yield servers.environ
    servers.close()


def run(local, program, *args, **settings):
    """Run a program on the device; a setting that is None is left out. Return what it printed."""
    merged = {**local.device_settings(), **settings}
    given = {name: value for name, value in merged.items() if value is not None}
    done = finish(
        local.start(["tessel", "run", str(TLS_PROGRAMS / program), *args], given), PROGRAM_SECONDS
    )
    assert done.exit_code == 0, done
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_prints_the_same_through_the_tunnel(local, environ, program):
    assert (
        run(local, program, **environ, **END_TO_END) == on_node(TLS_PROGRAMS / program, environ)[0]
    )


@pytest.mark.parametrize("program", ["over_sockets.js", "transfers.js", "identities.js"])
def test_a_program_prints_the_same_without_the_tunnel(local, environ, program):
    printed = run(local, program, **environ, PROXY_TOKEN=None)
    assert printed == on_node(TLS_PROGRAMS / program, environ)[0]


def test_a_program_with_authorities_of_its_own_does_its_tls_through_a_trusted_proxy(
    local, environ, watch
):
    printed = run(local, "requests.js", **environ, PROXY_TRUSTED="1")
    assert printed == on_node(TLS_PROGRAMS / "requests.js", environ)[0]
    assert kinds(watch) == {"net"}


def test_a_trusted_proxy_does_the_tls_of_options_that_change_nothing(local, trusted, watch):
    printed = run(local, "trusted.js", "the proxy", **trusted, PROXY_TRUSTED="1").splitlines()
    assert [line.partition(": ")[2] for line in printed] == [
        *[f"200 {NOTHING_KNOWN}"] * 3,
        *[NOTHING_KNOWN] * 4,
        "200",
    ]
    assert kinds(watch) == {"tls"}


def test_the_device_does_the_tls_of_options_that_a_trusted_proxy_cannot_respect(
    local, trusted, watch
):
    printed = run(local, "trusted.js", "the device", **trusted, PROXY_TRUSTED="1").splitlines()
    known = "TLSv1.3,a cipher,false,false,false"
    older = known.replace("1.3", "1.2")
    assert printed == [
        f"h2: true,,true,h2,{known}",
        f"own check: true,,true,false,{known}",
        f"unverified: 200 true,,true,false,{known}",
        f"another name: ERR_TLS_CERT_ALTNAME_INVALID,{ELSEWHERE}",
        f"a version: true,,true,false,{older}",
        f"the options of a context: true,,true,false,{older}",
    ]
    assert kinds(watch) == {"net"}


def test_an_agent_keeps_connections_that_avoid_the_tunnel_apart(local, environ, watch):
    printed = run(local, "pools.js", **environ, **END_TO_END)
    assert printed.splitlines() == [
        "proxy undefined false",
        "proxy false false",
        "proxy undefined true",
        "proxy false true",
        "2 pools",
    ]
    assert len(watch.substreams(1)) == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, set()), ({"PROXY_TRUSTED": "1"}, {"net"}), (END_TO_END, {"net"})],
)
def test_tls_that_only_node_can_do_has_the_route_of_tls(local, environ, watch, settings, expected):
    assert run(local, "only_node.js", **environ, **settings) == "prime256v1\n"
    if expected:
        assert kinds(watch) == expected
    assert len(watch.tunnels) == len(expected)


def kinds(watch):
    """The kinds of the substreams that the program has used."""
    return {line["kind"] for line in watch.substreams(1)}
