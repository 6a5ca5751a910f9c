"""The standard streams of a JavaScript program are those of `tessel run`."""

import os
import subprocess
import sys

import pytest

from support.javascript.on_device import PATIENCE_S
from support.javascript.running import HANDLE, in_terminal, run_file


def test_input_and_output_are_the_programs(tmp_path):
    (tmp_path / "program.js").write_text("process.stdin.pipe(process.stdout)")
    data = os.urandom(300_000)
    done = run_file(tmp_path, "program.js", input=data)
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")
    (tmp_path / "data").write_bytes(data)
    with (tmp_path / "data").open("rb") as source:
        assert run_file(tmp_path, "program.js", stdin=source).stdout == data


def test_a_program_that_does_not_read_ends_while_its_input_is_open(tmp_path):
    (tmp_path / "program.js").write_text("console.log('done')")
    reading, writing = os.pipe()
    try:
        assert run_file(tmp_path, "program.js", stdin=reading).stdout == b"done\n"
        assert os.get_blocking(reading)  # untouched: another process may read it, too
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_stream_does_not_prevent_the_start(tmp_path, closed):
    (tmp_path / "program.js").write_text(
        "process.stdin.resume(); console.log('x'); console.error('y'); process.exitCode = 3;"
    )
    shell = (
        f"exec {sys.executable} -m tessel run program.js {closed}{'<' if closed == 0 else '>'}&-"
    )
    done = subprocess.run(
        ["sh", "-c", shell],
        cwd=tmp_path,
        env=os.environ | {"RADIO": "host"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 3


def test_a_terminal_is_the_programs(tmp_path):
    text = (
        "const { stdin, stdout } = process;\n"
        "stdin.setRawMode(true);\n"
        "stdout.write(`ready ${stdin.isTTY} ${stdout.isTTY}\\n`);\n"
        "stdin.once('data', (key) => { stdout.write(`key ${key[0]}\\n`); process.exit(); });\n"
    )
    assert in_terminal(tmp_path, text, b"ready true true", b"\x03") == (0, "key 3")


def test_ctrl_c_in_a_terminal_reaches_the_program_once(tmp_path):
    text = HANDLE.replace("500", "50").replace("console.log('up')", "console.log('up now')")
    assert in_terminal(tmp_path, text, b"up now", b"\x03") == (7, "handled")
