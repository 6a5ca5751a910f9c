"""The examples of the C client: fetching a page through a real proxy; compiling for boards."""

import shutil
import subprocess
from pathlib import Path

import pytest
import trustme

from support.clients import c_build
from support.clients.targets import Targets
from support.hardening.proxy import TOKEN, running_proxy

STAND_INS = Path(__file__).parent / "arduino"
FETCH_S = 40


@pytest.fixture(scope="module")
def fetch(tmp_path_factory):
    """The command of the POSIX example."""
    if why := c_build.missing():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("fetch")
    return c_build.build_with_tls(folder / "fetch", c_build.POSIX / "fetch.c")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A proxy and targets, with the environment of a device."""
    folder, authority = tmp_path_factory.mktemp("place"), trustme.CA()
    targets = Targets(folder)
    settings = {
        "AUTH_HARDCODED": TOKEN,
        "EGRESS_ALLOW": "127.0.0.1/32 ::1/128",
        "TARGET_CA_FILE": str(targets.ca_file),
    }
    authority.cert_pem.write_to_path(folder / "ca.pem")
    with running_proxy(folder, authority, settings) as proxy:
        env = {
            "PROXY_HOST": "localhost",
            "PROXY_PORT": str(proxy.port),
            "PROXY_TOKEN": TOKEN,
            "PROXY_CA": str(folder / "ca.pem"),
        }
        yield env, targets.ports
    targets.close()


def run(fetch, env, *arguments):
    command = [str(fetch), *map(str, arguments)]
    return subprocess.run(command, check=False, env=env, capture_output=True, timeout=FETCH_S)


def test_a_page_comes_through_the_tunnel(fetch, place):
    env, ports = place
    done = run(fetch, env, "localhost", "/hello", ports["page"])
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.endswith(b"\r\n\r\nyou asked for /hello")


def test_a_wrong_token_is_explained(fetch, place):
    env, ports = place
    done = run(fetch, env | {"PROXY_TOKEN": "WRONG"}, "localhost", "/", ports["page"])
    assert done.returncode == 1
    assert done.stderr == b"the proxy refused the token: it is wrong\n"


def test_a_refused_connection_is_explained(fetch, place):
    env, ports = place
    done = run(fetch, env, "localhost", "/", ports["closed"])
    assert done.returncode == 1
    assert b"ECONNREFUSED" in done.stderr


def test_a_proxy_of_another_authority_gets_no_token(fetch, place, tmp_path):
    env, ports = place
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    done = run(fetch, env | {"PROXY_CA": str(other)}, "localhost", "/", ports["page"])
    assert done.returncode == 1
    assert b"TLS handshake with the proxy" in done.stderr


def test_an_authority_that_cannot_be_read_is_named(fetch, place, tmp_path):
    env, ports = place
    done = run(fetch, env | {"PROXY_CA": str(tmp_path / "no.pem")}, "localhost", "/", ports["page"])
    assert done.returncode == 1
    assert b"no.pem: " in done.stderr


@pytest.mark.parametrize("port", ["0", "99999", "http", ""])
def test_a_port_that_is_none_is_refused(fetch, port):
    done = run(fetch, {}, "localhost", "/", port)
    assert done.returncode == 2
    assert done.stderr.endswith(b"expected 1 to 65535\n")


def test_a_missing_setting_is_named(fetch):
    done = run(fetch, {}, "localhost", "/")
    assert (done.returncode, done.stderr.split()[0]) == (2, b"PROXY_CA")


def test_the_arduino_example_compiles():
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("no C++ compiler")
    sketch = c_build.CLIENT / "examples" / "FetchPage" / "FetchPage.ino"
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-Wno-sign-compare", "-fsyntax-only"]
    command = [compiler, "-x", "c++", *strict, f"-I{STAND_INS}", f"-I{c_build.CORE}", str(sketch)]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def sketch(tmp_path_factory):
    """The command of the Arduino example on an invented board."""
    compilers = shutil.which("cc"), shutil.which("c++")
    if None in compilers:
        pytest.skip("no C++ compiler")
    folder = tmp_path_factory.mktemp("sketch")
    include = [f"-I{STAND_INS}", f"-I{c_build.CORE}", f"-I{c_build.CLIENT}/examples/FetchPage"]
    core, board = folder / "core.o", folder / "board"
    subprocess.run(
        [compilers[0], "-std=c99", "-c", c_build.CORE / "streamplex.c", "-o", core], check=True
    )
    subprocess.run([compilers[1], *include, STAND_INS / "board.cpp", core, "-o", board], check=True)
    return board


@pytest.mark.parametrize(
    ("answer", "writing", "waited_s"),
    [
        ('{"authed":false,"retry":false,"reason":"wrong_token"}', "writes", 305),
        ('{"authed":false,"retry":true,"reason":"not_checked"}', "writes", 5),
        ('{"authed":false,"retry":true,"retry_after_ms":60000}', "writes", 65),
        ("", "writes", 50),  # no answer: given up after 45 s
        ('{"authed":true,"features":["ping/1"]}', "does not write", 50),
        ('{"authed":"', "writes", 5),  # a fault
    ],
)
def test_the_sketch_waits_before_it_connects_again(sketch, answer, writing, waited_s):
    done = subprocess.run([sketch, answer, writing], timeout=20, capture_output=True, check=True)
    attempts = [line.split() for line in done.stdout.decode().splitlines() if "attempt" in line]
    assert [int(after) for *_, after, _ in attempts] == pytest.approx(
        [5, waited_s, waited_s], abs=2
    )


def test_cmake_builds_the_library(tmp_path):
    if shutil.which("cmake") is None or c_build.compiler() is None:
        pytest.skip("no cmake or no C compiler")
    for command in (["-S", str(c_build.CLIENT), "-B", str(tmp_path)], ["--build", str(tmp_path)]):
        subprocess.run(["cmake", *command], check=True, capture_output=True)
    assert (tmp_path / "libstreamplex.a").exists()
