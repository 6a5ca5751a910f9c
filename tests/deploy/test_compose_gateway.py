"""deploy/compose.gateway.yml on Docker: a program without another way out gets a page."""

import os
import subprocess
from pathlib import Path

import pytest

from support.container_engine import make_certificate, needs_engine

ROOT = Path(__file__).parents[2]
PROJECT = "tessel-gateway-test"
UP_SECONDS = 600  # with the images to be built
SECONDS = 120
IN_IMAGE = 10001
TOKEN = "0123456789abcdef"
PASSWORD = "sesame-open"
# A proxy, and a site behind it whose name only the proxy knows.
OVERRIDE = """
services:
  gateway:
    environment: {{PROXY_HOST: proxy, PROXY_PORT: "5005", PROXY_LOCAL: nothing.invalid}}
    volumes: !override ["{folder}:/run/tessel:ro"]
    depends_on: [proxy]
  program:
    command: !override
      - |
        import os, urllib.request as web
        print(web.urlopen("http://far:8000/", timeout=30).status)
        try:
            web.build_opener(web.ProxyHandler({{}})).open("http://far:8000/", timeout=5)
        except OSError:
            print("no other way")
  proxy:
    image: tessel-proxy
    build: {{context: "{root}", dockerfile: proxy-service/Dockerfile}}
    environment:
      HOST: 0.0.0.0
      PORT: "5005"
      AUTH_HARDCODED: "{token}"
      CERT_FILE: /run/tessel/public-cert.pem
      KEY_FILE: /run/tessel/private-key.pem
      EGRESS_ALLOW: 0.0.0.0/0
    volumes: ["{folder}:/run/tessel:ro"]
    networks: [outside, behind]
    depends_on: [far]
  far:
    image: tessel-device
    entrypoint: [python, -m, http.server, "8000"]
    networks: [behind]
    init: true
networks:
  behind:
"""


pytestmark = [
    needs_engine,
    pytest.mark.skipif(os.getuid() != 0, reason="files for the image's user take root"),
    pytest.mark.timeout(UP_SECONDS + SECONDS),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder like deploy/secrets on a host."""
    made = tmp_path_factory.mktemp("gateway") / "secrets"
    made.mkdir(mode=0o700)
    (made / "token").write_text(f"{TOKEN}\n")
    (made / "gateway-password").write_text(f"{PASSWORD}\n")
    for each in (made, *made.iterdir()):
        os.chown(each, IN_IMAGE, IN_IMAGE)
    return made


@pytest.fixture(scope="module")
def compose(folder, tmp_path_factory):
    """Run a compose command in a project of the test's own."""
    override = tmp_path_factory.mktemp("compose") / "override.yml"
    override.write_text(OVERRIDE.format(folder=folder, root=ROOT, token=TOKEN))
    files = ("--file", ROOT / "deploy" / "compose.gateway.yml", "--file", override)
    command = ("docker", "compose", "--project-name", PROJECT, *files)

    def compose(*args):
        done = subprocess.run(
            [*command, *args],
            capture_output=True,
            text=True,
            timeout=UP_SECONDS,
            check=False,
            env={**os.environ, "GATEWAY_PASSWORD": PASSWORD},
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    try:
        compose("build")
        make_certificate(folder, "proxy")
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "5")


def test_the_program_gets_a_page_through_the_gateway_and_in_no_other_way(compose):
    assert compose("run", "--rm", "program").split("\n")[:2] == ["200", "no other way"]
