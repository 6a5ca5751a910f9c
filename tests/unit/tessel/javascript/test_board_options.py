"""`tessel run` passes the board's settings on to the program's process."""

import os
import subprocess
import sys

PROGRAM = """
var tessel = require('tessel');
tessel.button.once('press', function () {
  tessel.led[0].high();
  console.log(process.platform, require('os').tmpDir() !== '');
  throw new Error('mine');
});
"""


def tessel(*arguments, **environ):
    return subprocess.run(
        [sys.executable, "-m", "tessel", "run", *arguments],
        env=os.environ | {"RADIO": "host"} | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_program_runs_with_a_script_a_log_and_the_boards_exit_code(tmp_path):
    (tmp_path / "program.js").write_text(PROGRAM)
    (tmp_path / "board.input").write_text("0.1 button press")
    log = tmp_path / "board.log"
    done = tessel(
        *("--board-input", tmp_path / "board.input", "--board-log", log),
        tmp_path / "program.js",
        TESSEL_COMPAT="board",
    )
    assert (done.returncode, done.stdout) == (8, "tessel true\n")
    assert f"{tmp_path}/program.js:6" in done.stderr
    lines = [line.partition(" ")[2] for line in log.read_text().splitlines()]
    assert lines == ["< button press", "> led.0 output 1"]


def test_a_wrong_script_or_setting_ends_the_run_before_the_program(tmp_path):
    (tmp_path / "program.js").write_text("console.log('started')")
    (tmp_path / "board.input").write_text("0.1 button hit\n0.1 knob turn")
    done = tessel("--board-input", tmp_path / "board.input", tmp_path / "program.js")
    assert (done.returncode, done.stdout) == (1, "")
    first, second = done.stderr.splitlines()
    path = tmp_path / "board.input"
    assert first == f'tessel: {path}:1: saw "hit"; allowed: press, release after button'
    assert second.startswith(f'tessel: {path}:2: saw "knob"; allowed: a subject such as button')
    done = tessel(tmp_path / "program.js", TESSEL_COMPAT="yes")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "tessel: TESSEL_COMPAT='yes'; allowed: board, or nothing\n"
