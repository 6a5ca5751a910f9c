"""The commands of the tutorials in docs/, run as they are written."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support.pages import blocks

ROOT = Path(__file__).parents[2]
OWN_PROXY = ROOT / "docs" / "own-proxy.md"
FIRST_PROGRAM = ROOT / "docs" / "first-program.md"
FIRST_JAVASCRIPT = ROOT / "docs" / "first-javascript-program.md"
SECONDS = 60


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return str(taken.getsockname()[1])


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like a checkout in which `make setup` was run."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    for folder in ("examples", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    return tmp_path


def command(page, beginning):
    """The one command of a page that begins so, without its comment."""
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    (found,) = [line for line in lines if line.startswith(beginning)]
    return found.partition("  #")[0]


def run(script, folder, **environment):
    done = subprocess.run(
        ["bash", "-mc", script],  # -m: jobs, for `kill %1`
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


def test_a_proxy_on_this_machine_is_reached_as_the_page_says(checkout):
    proxy, device = (
        block
        for block in blocks(OWN_PROXY, "sh")
        if "make-cert localhost" in block or "%1" in block
    )
    *preparations, serve = proxy.splitlines()
    assert preparations.pop(0) == "make setup"
    run("\n".join(preparations), checkout)
    port, site = free_port(), free_port()
    assert "5005" in device
    device = device.replace("5005", port).replace("8000", site)
    with subprocess.Popen(
        ["bash", "-c", f"exec env {serve}"],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "PORT": port},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert any(" listening " in line for line in process.stderr)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            site_is_up = f"until 2>/dev/null >/dev/tcp/127.0.0.1/{site}; do sleep 0.1; done\n"
            start, rest = device.split("\n", 1)
            page, way = run(f"{start}\n{site_is_up}{rest}", checkout)
        finally:
            process.terminate()
    assert "own-proxy.md" in page
    assert "through the tunnel" in way


def test_the_token_service_starts_and_prints_its_key(checkout):
    serve = command(OWN_PROXY, ".venv/bin/tessel-oauth")
    with subprocess.Popen(
        ["bash", "-c", f"exec {serve}"],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "PORT": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert "tessel-dev" in process.stdout.readline()
        finally:
            process.terminate()


def joining():
    (program,) = (block for block in blocks(FIRST_PROGRAM, "python") if "wifi" in block)
    return program


def test_the_chip_is_checked_and_its_bus_explained(checkout):
    (checkout / "hello.py").write_text(joining())
    commands = [
        command(FIRST_PROGRAM, f".venv/bin/tessel {each}")
        for each in ("radio check", "run --trace-spi", "radio decode")
    ]
    said, _ = run("\n".join(commands), checkout)
    assert said.count("ok") > 3


def test_a_program_joins_the_network(checkout):
    (checkout / "join.py").write_text(joining())
    said, _ = run(".venv/bin/tessel run join.py", checkout)
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+ ([0-9a-f]{2}:){5}[0-9a-f]{2}\n", said)


def test_the_files_that_the_commands_for_docker_name_are_there():
    text = OWN_PROXY.read_text()
    named = set(re.findall(r"\bdeploy/[\w./-]+\b", text)) - {
        "deploy/secrets",  # these are made
        "deploy/secrets/token",
        "deploy/secrets/authority-cert.pem",
        "deploy/proxy.env",
    }
    assert named
    assert all((ROOT / name).exists() for name in named)


def javascript(name):
    """The program on the page for JavaScript that has this name in its first line."""
    (program,) = (
        block for block in blocks(FIRST_JAVASCRIPT, "js") if block.startswith(f"// {name}\n")
    )
    return program


def test_a_script_presses_the_button_of_a_javascript_program(checkout):
    script, log = blocks(FIRST_JAVASCRIPT, "text")
    (checkout / "light.js").write_text(javascript("light.js"))
    (checkout / "press.board").write_text(script)
    said, _ = run(command(FIRST_JAVASCRIPT, ".venv/bin/tessel run --board-input"), checkout)
    assert said == "pressed\n"
    written = (checkout / "board.log").read_text()
    actions = [line.partition(" ")[2] for line in log.splitlines()]
    assert [line.partition(" ")[2] for line in written.splitlines()][: len(actions)] == actions


def test_a_javascript_program_joins_the_network(checkout):
    (checkout / "join.js").write_text(javascript("join.js"))
    said, _ = run(".venv/bin/tessel run join.js", checkout)
    assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+ [0-9a-f]{12}\n", said)


def test_the_modules_of_the_javascript_page_are_those_of_the_examples():
    lock = json.loads((ROOT / "examples/npm/package-lock.json").read_text())
    (asked,) = re.findall(r"^npm install (\w+)@(\S+)$", FIRST_JAVASCRIPT.read_text(), re.MULTILINE)
    name, version = asked
    assert lock["packages"][f"node_modules/{name}"]["version"] == version
