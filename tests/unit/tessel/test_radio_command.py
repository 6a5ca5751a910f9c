"""`tessel radio` and `tessel run --trace-spi`, mostly as processes of their own."""

import socket
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest

from support.tessel_command import EXAMPLES, LIMIT_S, TESSEL, environment
from tessel import __main__ as command
from tessel import radio_check
from tessel.__main__ import main

SIMULATED = ("--env", "RADIO=cc3000-sim")
NOBODY_THERE = "from tessel import net\nnet.connect(1, '127.0.0.1').on('error', print)\n"


def tessel(*arguments):
    return subprocess.run(
        [TESSEL, *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(NOBODY_THERE)
    return path


@pytest.fixture
def trace(tmp_path):
    return tmp_path / "trace"


def test_a_trace_is_written_for_its_user_alone_and_can_be_explained(program, trace, capsys):
    done = tessel("run", *SIMULATED, "--trace-spi", trace, program)
    assert done.stdout == "ENOENT Cannot connect to 127.0.0.1 Got: err-1\n"
    assert done.returncode == 0
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    assert trace.read_text().startswith("# VBAT_EN=0\n# VBAT_EN=1\n")

    assert main(["radio", "decode", str(trace)]) == 0
    told = capsys.readouterr().out
    assert "    host: Start(patches=0)\n" in told
    assert "    host: Connect(sd=0, address=" in told


def test_a_simulated_chip_is_wired_right():
    done = tessel("radio", "check", *SIMULATED)

    assert done.returncode == 0, done
    assert "ok     service pack 1.26\n" in done.stdout
    assert "ok     1 network in range" in done.stdout


def test_without_the_modules_the_error_says_what_to_install():
    done = tessel("radio", "check", "--env", "RADIO=cc3000")

    assert done.returncode == 1
    assert done.stdout.startswith("FAULT  RADIO=cc3000: ")


def example(name, *arguments):
    return tessel("run", *SIMULATED, EXAMPLES / f"{name}.py", *arguments)


def test_the_example_of_wifi_joins_the_network_and_leaves_it():
    done = example("join_network", "tesselnet")
    assert (done.returncode, done.stderr) == (0, "")
    joined, address, left = done.stdout.splitlines()
    assert joined == "joined tesselnet as 08:00:28:5a:1b:2c"
    assert address.startswith("address 10.")
    assert left == "left; connected: False"


@pytest.mark.parametrize(
    ("seconds", "time"), [(3_900_000_000, "2023-08-02 21:20:00"), (0, "2036-02-07 06:28:16")]
)
def test_the_example_of_datagrams_asks_again_and_believes_who_was_asked(seconds, time):
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(LIMIT_S)

        def serve():
            server.recv(100)  # this one is lost
            asked, device = server.recvfrom(100)
            head, now = b"\x24".ljust(24, b"\0"), seconds.to_bytes(4, "big") + bytes(4)
            for answer in (b"short", head + b"a guess." + now * 2, head + asked[40:] + now * 2):
                server.sendto(answer, device)

        serving = Thread(target=serve)
        serving.start()
        done = example("what_time", "127.0.0.1", server.getsockname()[1])
        serving.join()
    assert (done.returncode, done.stdout) == (0, f"127.0.0.1 says {time} UTC\n"), done


def test_what_goes_over_the_bus_is_in_the_file_a_line_at_a_time(monkeypatch, program, trace):
    class Bus:
        def set_power(self, on):
            pass

    class Inside:
        def __init__(self, *parts, wrap_bus):
            self.observe = parts
            self._bus = wrap_bus(Bus())

        def run(self, main):
            self._bus.set_power(True)
            return len(trace.read_text())

    monkeypatch.setenv("RADIO", "cc3000-sim")
    monkeypatch.setattr(command, "Program", Inside)
    monkeypatch.setattr(command.globalLogBeginner, "beginLoggingTo", lambda *args, **options: None)
    written = main(["run", "--trace-spi", str(trace), str(program)])
    assert written == len("# VBAT_EN=1\n")


def test_a_check_is_run_with_the_radio_of_the_settings(monkeypatch):
    monkeypatch.setenv("RADIO", "cc3000-sim")
    monkeypatch.setenv("CC3000_PROFILE", "cc3000")  # so that it is put back
    monkeypatch.setattr(radio_check, "run", lambda settings, *_: 7 if settings.profile else 8)
    assert main(["radio", "check", "--env", "CC3000_PROFILE=ideal"]) == 7


@pytest.fixture
def hosts(monkeypatch):
    monkeypatch.setenv("RADIO", "host")


def test_the_hosts_sockets_have_no_bus_to_trace(hosts, program, trace, capsys):
    assert main(["run", "--trace-spi", str(trace), str(program)]) == 2
    assert "RADIO=host has no bus" in capsys.readouterr().err
    assert not trace.exists()


def test_the_hosts_sockets_have_no_chip_to_check(hosts, capsys):
    assert main(["radio", "check"]) == 2
    assert "RADIO=host has no chip" in capsys.readouterr().err


def test_settings_that_cannot_be_used_are_reported_before_a_check(hosts, monkeypatch, capsys):
    monkeypatch.setenv("WIFI_SECURITY", "wpa3")
    assert main(["radio", "check"]) == 1
    assert "WIFI_SECURITY='wpa3'" in capsys.readouterr().err


def test_a_trace_that_cannot_be_written_is_reported(monkeypatch, program, capsys):
    monkeypatch.setenv("RADIO", "cc3000-sim")
    assert main(["run", "--trace-spi", "/nowhere/trace", str(program)]) == 2
    told = capsys.readouterr().err
    assert told == "tessel: --trace-spi: /nowhere/trace: No such file or directory\n"


def test_a_trace_that_cannot_be_read_is_reported(capsys):
    assert main(["radio", "decode", "/nowhere/trace"]) == 2
    assert "/nowhere/trace" in capsys.readouterr().err


def test_a_reader_who_has_enough_is_no_error(monkeypatch, tmp_path):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

        def flush(self):
            pass

    (tmp_path / "trace").write_text("# nCS=1\n")
    monkeypatch.setattr(sys, "stdout", Closed())
    assert command.main(["radio", "decode", str(Path(tmp_path / "trace"))]) == 0


@pytest.mark.parametrize(
    "data",
    [b"", b"root:x:0:0:root\n", b"MOSI zz\n", b"\0\xff" * 100_000, b"# a comment\n" * 2000],
)
def test_a_file_that_is_no_trace_is_not_decoded(data, trace, capsys):
    trace.write_bytes(data)
    assert main(["radio", "decode", str(trace)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"tessel: {trace} is not a trace: no line has bytes of the chip's")


@pytest.mark.parametrize(
    ("name", "why"), [("missing", "No such file or directory"), (".", "Is a directory")]
)
def test_a_trace_that_cannot_be_read_is_a_usage_error(name, why, tmp_path, capsys):
    assert main(["radio", "decode", str(tmp_path / name)]) == 2
    assert capsys.readouterr().err == f"tessel: {tmp_path / name}: {why}\n"


@pytest.mark.parametrize(
    "head", ["# nCS=1\n", "# VBAT_EN=0\n", "from an analyser\n\n# of mine\n  MOSI 01 00\n"]
)
def test_a_trace_that_ends_early_or_has_a_head_of_its_own_is_decoded(head, trace, capsys):
    trace.write_text(head)
    assert main(["radio", "decode", str(trace)]) == 0
    assert capsys.readouterr().out.startswith(head)
