"""deploy/compose.yml on Docker: the proxy starts, restarts after a kill, and reports its health."""

import os
import subprocess
from pathlib import Path

import pytest

from lab.waiting import eventually
from support.container_engine import ENGINE, make_certificate, needs_engine

ROOT = Path(__file__).parents[2]
PROJECT = "tessel-deploy-test"
UP_SECONDS = 600  # with the image to be built
SECONDS = 120
IN_IMAGE = 10001
# Ports that are free, health that is asked for often, and a folder of the test's own.
OVERRIDE = """
services:
  proxy:
    ports: !override ["127.0.0.1::5005"]
    volumes: !override ["{folder}:/srv/config:ro", "log:/srv/log"]
    healthcheck: {{interval: 1s, timeout: 2s, retries: 2}}
    environment: {{DRAIN_S: "2", RELOAD_LOOK_S: "1"}}
"""
KILL = "kill -{signal} $(grep -l '^tessel-proxy' /proc/[0-9]*/comm | cut -d/ -f3)"


pytestmark = [
    needs_engine,
    pytest.mark.skipif(os.getuid() != 0, reason="files for the image's user take root"),
    pytest.mark.timeout(UP_SECONDS + SECONDS),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder like deploy/secrets on a host."""
    made = tmp_path_factory.mktemp("deploy") / "secrets"
    made.mkdir(mode=0o700)
    (made / "token").write_text("0123456789abcdef\n")
    for each in (made, made / "token"):
        os.chown(each, IN_IMAGE, IN_IMAGE)
    return made


@pytest.fixture(scope="module")
def compose(folder, tmp_path_factory):
    """A project that is started by the constructor; calling it runs a compose command."""
    override = tmp_path_factory.mktemp("compose") / "override.yml"
    override.write_text(OVERRIDE.format(folder=folder))
    files = ("--file", ROOT / "deploy" / "compose.yml", "--file", override)
    command = ("docker", "compose", "--project-name", PROJECT, *files)

    def compose(*args):
        done = subprocess.run(
            [*command, *args], capture_output=True, text=True, timeout=UP_SECONDS, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        compose("build")
        make_certificate(folder, "proxy.example.org")
        compose("up", "--detach")
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "5")


@pytest.fixture
def container(compose):
    """Return the current container."""
    label = f"com.docker.compose.project={PROJECT}"
    (found,) = ENGINE.containers.list(all=True, filters={"label": label})
    return found


def health(container):
    container.reload()
    return container.attrs["State"]["Health"]["Status"]


def becomes(container, status):
    eventually(lambda: health(container) == status, SECONDS, lambda: container.logs().decode())


def to_the_process(container, signal):
    """Send the signal inside the container: after `docker kill`, Docker would not restart it."""
    done = container.exec_run(["sh", "-c", KILL.format(signal=signal)])
    assert done.exit_code == 0, done.output


def test_it_starts_and_becomes_healthy(container):
    becomes(container, "healthy")


def test_it_comes_back_when_its_process_is_killed(container):
    becomes(container, "healthy")
    before = container.attrs["State"]["StartedAt"], container.attrs["RestartCount"]
    to_the_process(container, "KILL")

    def came_back():
        container.reload()
        state = container.attrs["State"]
        return state["Running"] and (state["StartedAt"], container.attrs["RestartCount"]) > before

    eventually(came_back, SECONDS, lambda: container.attrs["State"])
    becomes(container, "healthy")


def test_it_is_unhealthy_while_it_hangs_and_healthy_after(container):
    becomes(container, "healthy")
    to_the_process(container, "STOP")
    becomes(container, "unhealthy")
    to_the_process(container, "CONT")
    becomes(container, "healthy")


def test_a_certificate_that_is_renamed_into_place_is_loaded(container, folder):
    becomes(container, "healthy")
    make_certificate(folder, "proxy.example.org")
    eventually(
        lambda: b'"event":"reloaded"' in container.logs().replace(b'": "', b'":"'),
        SECONDS,
        lambda: container.logs().decode(),
    )


def kept_log(compose):
    return compose("exec", "--no-TTY", "proxy", "cat", "log/proxy.log")


def test_the_log_of_a_container_that_was_replaced_can_still_be_read(compose, container):
    becomes(container, "healthy")
    before = kept_log(compose)
    assert '"event":"listening"' in before
    compose("up", "--detach", "--force-recreate")
    label = f"com.docker.compose.project={PROJECT}"
    (other,) = ENGINE.containers.list(all=True, filters={"label": label})
    assert other.id != container.id
    becomes(other, "healthy")
    after = kept_log(compose)
    assert after.startswith(before)
    assert after.count('"event":"listening"') == before.count('"event":"listening"') + 1
    compose("down", "--timeout", "5")
    compose("up", "--detach")
    assert kept_log(compose).startswith(after)


def test_it_drains_and_ends_with_0(container):
    becomes(container, "healthy")
    container.stop(timeout=30)
    container.reload()
    assert container.attrs["State"]["ExitCode"] == 0, container.logs().decode()
