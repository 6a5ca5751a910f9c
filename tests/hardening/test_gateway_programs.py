"""Real programs through a gateway and a proxy to local sites, with a certificate of their own.

A program that this machine does not have is skipped. docs/gateway.md lists them.
"""

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from lab.processes import Process
from lab.waiting import eventually
from support.gateway.process import COMMAND, device_settings
from support.gateway.static_site import serving
from support.hardening.proxy import TOKEN
from tessel.gateway.command import proxy_variables
from tessel.gateway.settings import Address

SECONDS = 90
BIG = 5_000_000
UNDICI = "undici@7.16.0"
SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.timeout(3 * SECONDS)


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "site"
    made.mkdir()
    (made / "page.html").write_text("<p>Hello through the tunnel</p>\n")
    (made / "big").write_bytes(os.urandom(1000) * (BIG // 1000))
    return made


@pytest.fixture
def certificate(authority):
    """The certificate of the site, by an authority that only this test trusts."""
    return authority.issue_cert("localhost", "127.0.0.1")


@pytest.fixture
def sites(folder, certificate):
    """The addresses of the same site over http and https."""
    with serving(folder) as http, serving(folder, certificate) as https:
        yield {"http": f"http://localhost:{http}", "https": f"https://localhost:{https}"}


@pytest.fixture
def authority_file(authority, tmp_path):
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    return file


@pytest.fixture
def proxy(proxy_with):
    return proxy_with()


@pytest.fixture
def gateway(gateway_of, proxy):
    return gateway_of(proxy)


@pytest.fixture
def run(gateway, proxy, authority_file, tmp_path):
    """Run a program with the proxy variables; check that it has used the tunnel."""

    def run(*command, expected=0, uses_tunnel=True, **variables):
        before = len(proxy.log.events("substream_closed"))
        done = subprocess.run(
            [str(word) for word in command],
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin",
                "HOME": str(tmp_path),
                **proxy_variables(Address("127.0.0.1", gateway.port), None),
                "SSL_CERT_FILE": str(authority_file),
                "CURL_CA_BUNDLE": str(authority_file),
                "REQUESTS_CA_BUNDLE": str(authority_file),
                "GIT_SSL_CAINFO": str(authority_file),
                "NODE_EXTRA_CA_CERTS": str(authority_file),
                **variables,
            },
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        told = f"{done.stderr.decode(errors='replace')}\n{gateway.process.stderr}"
        assert done.returncode == expected, told
        if uses_tunnel:
            eventually(lambda: len(proxy.log.events("substream_closed")) > before)
        return done.stdout

    run.port, run.home, run.authority_file = gateway.port, tmp_path, authority_file
    return run


def sha256(data):
    return hashlib.sha256(data).hexdigest()


WAYS_OF_CURL = {
    "socks5-hostname": ["--socks5-hostname", "127.0.0.1:{}"],
    "socks5": ["--socks5", "127.0.0.1:{}"],
    "socks4a": ["--socks4a", "127.0.0.1:{}"],
    "socks4": ["--socks4", "127.0.0.1:{}"],
    "http": ["-x", "http://127.0.0.1:{}"],
    "http-connect": ["--proxytunnel", "-x", "http://127.0.0.1:{}"],
    "variables": [],
}


@needs("curl")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("way", WAYS_OF_CURL)
def test_curl_downloads_and_uploads(run, sites, folder, way, scheme):
    options = ["-sSf", *(word.format(run.port) for word in WAYS_OF_CURL[way])]
    address = f"{sites[scheme]}/big"

    assert run("curl", *options, address) == (folder / "big").read_bytes()
    assert run("curl", *options, "-T", folder / "big", address).decode() == sha256(
        (folder / "big").read_bytes()
    )
    chunked = ["-H", "Transfer-Encoding: chunked", "-T", folder / "page.html"]
    assert run("curl", *options, *chunked, address).decode() == sha256(
        (folder / "page.html").read_bytes()
    )


@needs("curl")
def test_curl_reports_a_refused_target_by_the_codes_of_the_protocols(run, gateway):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://localhost:{unused.getsockname()[1]}/"
        socks = ["--socks5-hostname", f"127.0.0.1:{gateway.port}"]
        assert run("curl", "-sS", *socks, closed, expected=97) == b""
        assert b"ECONNREFUSED" in run("curl", "-sS", closed)


@needs("wget")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_wget_downloads(run, sites, folder, authority_file, scheme):
    address = f"{sites[scheme]}/big"

    found = run("wget", "-q", "-O", "-", f"--ca-certificate={authority_file}", address)

    assert found == (folder / "big").read_bytes()


@needs("git")
def test_git_clones_over_https(run, sites, folder, tmp_path):
    made_repository(tmp_path / "made", folder / "repo.git")

    run("git", "clone", "-q", f"{sites['https']}/repo.git", tmp_path / "cloned")

    assert (tmp_path / "cloned" / "hello").read_text() == "hello\n"


@needs("git")
@needs("ssh")
@pytest.mark.skipif(SSHD is None, reason="sshd is not installed")
def test_git_clones_and_pushes_over_ssh_with_tessel_connect(
    run, proxy, authority_file, tmp_path, folder
):
    made_repository(tmp_path / "made", folder / "repo.git")
    with sshd(tmp_path) as (port, options):
        device = device_settings(proxy, authority_file, TOKEN)
        command = " ".join(["ssh", *options, f"-o ProxyCommand='{COMMAND} connect %h %p'"])
        remote = f"ssh://localhost:{port}{folder}/repo.git"
        run("git", "clone", "-q", remote, "cloned", GIT_SSH_COMMAND=command, **device)
        (tmp_path / "cloned" / "more").write_bytes(os.urandom(BIG))
        git = ["git", "-C", "cloned", "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
        run(*git, "add", "more", uses_tunnel=False)
        run(*git, "commit", "-qm", "more", uses_tunnel=False)
        run(*git, "push", "-q", "origin", "HEAD:more", GIT_SSH_COMMAND=command, **device)
    pushed = subprocess.check_output(
        ["git", "-C", folder / "repo.git", "cat-file", "-s", "more:more"]
    )
    assert int(pushed) == BIG


def made_repository(work, bare):
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.invalid"]
    subprocess.run([*git, "init", "-q", work], check=True)
    (work / "hello").write_text("hello\n")
    subprocess.run([*git, "-C", work, "add", "."], check=True)
    subprocess.run([*git, "-C", work, "commit", "-qm", "hello"], check=True)
    subprocess.run([*git, "clone", "-q", "--bare", work, bare], check=True)
    subprocess.run([*git, "-C", bare, "update-server-info"], check=True)


class sshd:  # noqa: N801 - used like a function
    """An sshd on a free port of loopback, and the options of ssh for it."""

    def __init__(self, folder):
        self._folder = folder / "ssh"

    def __enter__(self):
        folder = self._folder
        folder.mkdir(mode=0o700)
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True
            )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # sshd demands it of root
        command = [SSHD, "-D", "-e", "-f", "/dev/null", "-p", str(port), "-h", folder / "host"]
        for option in (
            "ListenAddress=127.0.0.1",
            f"AuthorizedKeysFile={folder / 'user.pub'}",
            "StrictModes=no",
            "UsePAM=no",
            "PidFile=none",
        ):
            command += ["-o", option]
        self._process = Process(command, {}, folder, "sshd")
        eventually(lambda: "Server listening" in self._process.stderr, what=self._said)
        return port, [
            f"-i {folder / 'user'}",
            "-o StrictHostKeyChecking=no",
            f"-o UserKnownHostsFile={folder / 'known'}",
            "-o BatchMode=yes",
        ]

    def __exit__(self, *_):
        self._process.stop()

    def _said(self):
        return self._process.stderr


def test_pip_installs_over_https(run, sites, folder, tmp_path, authority_file):
    made_wheel(folder / "simple" / "hello")
    index = f"{sites['https']}/simple/"

    run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--isolated", "--no-cache-dir"),
        *("--index-url", index, "--cert", authority_file, "--target", tmp_path / "to", "hello"),
        PIP_CONFIG_FILE="/dev/null",
    )

    assert (tmp_path / "to" / "hello.py").read_text() == "print('hello')\n"


def made_wheel(folder):
    folder.mkdir(parents=True)
    name = "hello-1-py3-none-any.whl"
    info = "hello-1.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("hello.py", "print('hello')\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: hello\nVersion: 1\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>\n')


@needs("apt-get")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_apt_updates_and_downloads(run, sites, folder, tmp_path, scheme):
    package = made_packages(folder / "apt")
    apt = apt_options(tmp_path / "apt", f"{sites[scheme]}/apt", run.authority_file)

    run("apt-get", *apt, "update")
    run("apt-get", *apt, "download", *(f"hello{number}" for number in range(12)))

    assert (tmp_path / "hello3_1_all.deb").read_bytes() == package


def made_packages(folder):
    """Make a flat repository with packages of the same content, and return this content."""
    folder.mkdir()
    content = os.urandom(20_000)
    entries = []
    for number in range(12):
        name = f"hello{number}_1_all.deb"
        (folder / name).write_bytes(content)
        entries.append(
            f"Package: hello{number}\nVersion: 1\nArchitecture: all\nMaintainer: a\n"
            f"Filename: ./{name}\nSize: {len(content)}\nSHA256: {sha256(content)}\n"
            "Description: hello\n"
        )
    (folder / "Packages").write_text("\n".join(entries))
    return content


def apt_options(folder, address, authority_file):
    for name in ("lists/partial", "cache/archives/partial", "parts"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(f"deb [trusted=yes] {address} ./\n")
    (folder / "status").write_text("")
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": folder / "parts",
        "Dir::Etc::Parts": folder / "parts",
        "Dir::Etc::Main": "/dev/null",
        "Dir::State": folder,
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::https::CAInfo": authority_file,
        "Acquire::Languages": "none",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("way", ["socks5", "http"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_chromium_shows_a_page(run, sites, certificate, way, scheme):
    found = run(
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        f"--user-data-dir={run.home / 'chromium'}",
        f"--proxy-server={way}://127.0.0.1:{run.port}",
        "--proxy-bypass-list=<-loopback>",  # else it would not use a proxy for localhost
        f"--ignore-certificate-errors-spki-list={spki_of(certificate)}",
        *("--dump-dom", f"{sites[scheme]}/page.html"),
    )

    assert b"<p>Hello through the tunnel</p>" in found


def spki_of(certificate):
    """Return the hash of a certificate's public key, by which Chromium trusts it."""
    pem = certificate.cert_chain_pems[0].bytes()
    key = x509.load_pem_x509_certificate(pem).public_key()
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


PYTHON_CLIENTS = {
    "requests": "import requests; print(requests.get({0!r}).text)",
    "requests with a proxy": (
        "import requests; p = 'http://127.0.0.1:{1}'; "
        "print(requests.get({0!r}, proxies={{'http': p, 'https': p}}).text)"
    ),
    "httpx": (
        "import httpx, ssl; c = ssl.create_default_context(cafile={2!r}); "
        "print(httpx.Client(verify=c).get({0!r}).text)"
    ),
    "aiohttp": (
        "import aiohttp, asyncio, ssl; c = ssl.create_default_context(cafile={2!r})\n"
        "async def main():\n"
        "    async with aiohttp.ClientSession(trust_env=True) as session:\n"
        "        async with session.get({0!r}, ssl=c) as got: print(await got.text())\n"
        "asyncio.run(main())"
    ),
    "urllib": "import urllib.request as u; print(u.urlopen({0!r}).read().decode())",
}


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", PYTHON_CLIENTS)
def test_a_python_client_gets_a_page(run, sites, name, scheme):
    address = f"{sites[scheme]}/page.html"
    program = PYTHON_CLIENTS[name].format(address, run.port, str(run.authority_file))

    assert b"Hello through the tunnel" in run(sys.executable, "-c", program)


@pytest.fixture(scope="module")
def undici(tmp_path_factory):
    """A folder with the npm module undici; skips if npm cannot install it."""
    folder = tmp_path_factory.mktemp("undici")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    done = subprocess.run(
        [npm, "install", "--silent", "--no-audit", "--no-fund", UNDICI],
        cwd=folder,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.skip("npm could not install undici: no registry")
    return folder


@needs("node")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_undici_gets_a_page(run, sites, undici, scheme):
    program = (
        "const { EnvHttpProxyAgent, setGlobalDispatcher } = require('undici');\n"
        "setGlobalDispatcher(new EnvHttpProxyAgent());\n"
        f"fetch('{sites[scheme]}/page.html').then((got) => got.text()).then(console.log);\n"
    )
    (undici / "get.js").write_text(program)

    assert b"Hello through the tunnel" in run("node", undici / "get.js")


@needs("curl")
def test_a_program_runs_with_a_gateway_of_its_own(run, proxy, sites, authority_file, folder):
    device = device_settings(proxy, authority_file, TOKEN)
    gateway = [COMMAND, "gateway", "--"]

    assert (
        run(*gateway, "curl", "-sSf", f"{sites['https']}/big", **device)
        == (folder / "big").read_bytes()
    )
    assert run(*gateway, "sh", "-c", "exit 7", expected=7, uses_tunnel=False, **device) == b""
    shown = run(*gateway, "sh", "-c", "echo $https_proxy", uses_tunnel=False, **device)
    assert shown.startswith(b"http://tessel:")
