"""The JavaScript programs in examples/ and on pages do what is said about them, on a local site."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from support.one_page_site import serving_page
from support.pages import blocks

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
EXAMPLE_SITE = "http://example.com/"
PAGES = ("README.md", "docs/first-javascript-program.md")
SECONDS = 60
BODY = b"203.0.113.7\n"
FILES = [*sorted(EXAMPLES.glob("*.js")), *sorted(EXAMPLES.glob("npm/*.js"))]
DIRECTLY = {"TM_API_KEY": ""}


@pytest.fixture(scope="module")
def site():
    with serving_page(BODY) as address:
        yield address


def command(example, *args, options=(), **settings):
    variables = [word for item in settings.items() for word in ("--env", "=".join(item))]
    return [sys.executable, "-m", "tessel", "run", *variables, *options, EXAMPLES / example, *args]


def run(example, *args, **options):
    return subprocess.run(
        command(example, *args, **options),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_the_originals_sample_prints_what_the_site_says(site):
    done = run("ipcalf.js", site, **DIRECTLY)
    assert (done.returncode, done.stdout, done.stderr) == (0, BODY.decode(), "")


def test_the_originals_sample_has_six_lines_of_code():
    lines = (EXAMPLES / "ipcalf.js").read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith("//")]) <= 6


def test_twenty_downloads_are_the_same(site):
    done = run("parallel_downloads.js", site, RADIO="host")
    assert done.returncode == 0, done.stderr
    *downloads, verdict = done.stdout.splitlines()
    assert verdict == "all 20 are the same"
    assert len(set(downloads)) == 20
    assert all(f": {len(BODY)} bytes, SHA-256 " in line for line in downloads)


def test_the_fifth_download_without_a_proxy_fails_as_the_example_says(site):
    done = run("parallel_downloads.js", site, RADIO="cc3000-sim", **DIRECTLY)
    assert done.returncode == 1
    (said,) = re.findall(r"fails, because the\n// simulated chip .*: (ENOENT: .*)\.\n", source())
    assert f"Error: {said}" in done.stderr


def source():
    return (EXAMPLES / "parallel_downloads.js").read_text()


def test_a_server_counts_its_pages_until_it_is_stopped():
    with subprocess.Popen(command("page_server.js", "0"), stdout=subprocess.PIPE) as process:
        try:
            port = int(process.stdout.readline().rpartition(b" ")[2])
            for others in range(2):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/x", timeout=30) as page:
                    assert page.read() == b"GET /x, after %d others\n" % others
            process.send_signal(signal.SIGINT)
            assert process.wait(SECONDS) == 130
        finally:
            process.kill()


def test_a_network_is_joined_and_left():
    done = run("join_network.js", "tesselnet")
    assert (done.returncode, done.stderr) == (0, "")
    joined, address, left = done.stdout.splitlines()
    assert re.fullmatch(r"joined tesselnet as ([0-9a-f]{2}:){5}[0-9a-f]{2}", joined)
    assert re.fullmatch(r"address [\d.]+, gateway [\d.]+", address)
    assert left == "left; connected: false"


@pytest.mark.parametrize("page", PAGES)
def test_a_program_on_a_page_prints_what_the_site_says(tmp_path, site, page):
    (program,) = (block for block in blocks(ROOT / page, "js") if EXAMPLE_SITE in block)
    (tmp_path / "hello.js").write_text(program.replace(EXAMPLE_SITE, site))
    done = run(tmp_path / "hello.js", **DIRECTLY)
    assert (done.returncode, done.stdout, done.stderr) == (0, BODY.decode(), "")


def test_each_press_of_the_button_switches_the_led(tmp_path):
    log = tmp_path / "board.log"
    options = ("--board-input", EXAMPLES / "led_and_button.board", "--board-log", log)
    done = run("led_and_button.js", options=options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "press 1: the LED is on",
        "press 2: the LED is off",
        "press 3: the LED is on",
    ]
    shown = re.findall(r"> led\.0 output (\d)", log.read_text())
    assert shown == ["0", "1", "0", "1"]


@pytest.mark.parametrize("example", FILES, ids=lambda file: file.name)
def test_the_first_lines_show_how_to_run_it(example):
    head = example.read_text().partition("\n\n\n")[0]
    assert re.search(rf"^//     tessel run .*examples/(npm/)?{example.name}", head, re.MULTILINE)
