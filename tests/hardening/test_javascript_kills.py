"""A device and the process of its JavaScript program: one is killed, at a moment made by chance."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lab.waiting import eventually
from support.javascript.conversation import CONVERSATION, echo_server

ROUNDS = 12  # for each victim
LONGEST_S = 1.2  # from the start of the device to the end of the conversation, on a busy machine
END_S = 20
MARK = "TESSEL_KILL_ROUND"


def processes_of(mark):
    """The numbers of the processes that have the variable MARK with this value."""
    wanted = f"{MARK}={mark}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes() + b"\0":
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize("victim", ["device", "program"])
@pytest.mark.parametrize("radio", ["host", "cc3000-sim"])
def test_killing_one_process_at_any_moment_leaves_nothing(tmp_path, request, victim, radio):
    chance = random.Random(request.config.getoption("--seed"))
    (tmp_path / "program.js").write_text(CONVERSATION)
    for number in range(ROUNDS):
        after_s = chance.uniform(0, LONGEST_S)
        code, err = kill_after(after_s, victim, radio, tmp_path, f"{victim}-{radio}-{number}")
        where = f"round {number}, {victim} killed after {after_s:.3f} s: {err}"
        assert code in expected(victim), where
        assert len(err.splitlines()) <= 1, where


def expected(victim):
    killed = -signal.SIGKILL if victim == "device" else 128 + signal.SIGKILL
    return {killed, 0}  # 0: it had ended before


def kill_after(after_s, victim, radio, folder, mark):
    """Run the conversation, kill the victim, and wait until nothing is left of it."""
    scratch = folder / mark
    scratch.mkdir()
    with echo_server() as (port, peers):
        device = subprocess.Popen(
            [sys.executable, "-m", "tessel", "run", "program.js", str(port)],
            cwd=folder,
            env=os.environ
            | {"RADIO": radio, MARK: mark, "NODE_NO_WARNINGS": "1", "TMPDIR": scratch},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(after_s)
        kill(device, victim, mark)
        _, err = device.communicate(timeout=END_S)
        eventually(lambda: processes_of(mark) == [], END_S)
        eventually(lambda: not any(peer.is_alive() for peer in peers), END_S)
    assert list(scratch.iterdir()) == []
    return device.returncode, err


def kill(device, victim, mark):
    if victim == "device":
        device.kill()
        return
    programs = eventually(
        lambda: [pid for pid in processes_of(mark) if pid != device.pid] or device.poll() == 0
    )
    if programs is not True:
        os.kill(programs[0], signal.SIGKILL)
