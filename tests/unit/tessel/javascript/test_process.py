"""The start of the Node process: what it inherits, and what is left if it cannot be started."""

import json
import signal
import sys
from pathlib import Path
from queue import SimpleQueue

import pytest

from tessel.javascript.process import PRELOAD, NodeProcess, exit_code


def executable(folder, text):
    path = folder / "node"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("text", ["", "\x7fELF", "#!/missing\n"])
def test_a_file_that_cannot_be_executed_is_an_error_and_leaves_no_descriptor(tmp_path, text):
    node, before = executable(tmp_path, text), descriptors()
    with pytest.raises(OSError, match=r"node|missing"):
        NodeProcess(node, Path("x.js"), [], {})
    assert descriptors() == before


class Here:
    """A reactor whose thread is the calling one."""

    def callFromThread(self, function, *args):
        function(*args)


def inherited(folder, environ):
    """Run a program in place of Node; return its arguments, its variables, and its lifeline."""
    script = executable(
        folder,
        f"#!{sys.executable}\n"
        "import json, os, sys\n"
        "lifeline = os.readlink(f'/proc/self/fd/{os.environ[\"TESSEL_LIFELINE_FD\"]}')\n"
        "told = json.dumps([sys.argv[1:], dict(os.environ), lifeline])\n"
        "os.write(int(os.environ['TESSEL_CHANNEL_FD']), told.encode())\n",
    )
    process = NodeProcess(script, Path("x.js"), ["-a"], environ)
    with process.channel as channel:
        channel.settimeout(10)
        received = b"".join(iter(lambda: channel.recv(4096), b""))
    codes = SimpleQueue()
    process.when_ended(Here(), codes.put)
    assert codes.get(timeout=10) == 0
    process.close()
    return json.loads(received)


def test_the_process_inherits_the_channel_and_the_lifeline(tmp_path):
    arguments, _, lifeline = inherited(tmp_path, {})
    assert arguments == ["--require", str(PRELOAD), "--", str(Path("x.js").absolute()), "-a"]
    assert lifeline.startswith("pipe:")


def test_variables_that_make_node_a_child_of_another_node_are_not_inherited(tmp_path):
    given = {"NODE_CHANNEL_FD": "4", "NODE_UNIQUE_ID": "1", "NODE_OPTIONS": "--no-warnings"}
    _, environ, _ = inherited(tmp_path, given)
    assert environ["NODE_OPTIONS"] == "--no-warnings"
    assert environ.keys().isdisjoint({"NODE_CHANNEL_FD", "NODE_UNIQUE_ID"})


@pytest.mark.parametrize(("returned", "code"), [(0, 0), (7, 7), (-signal.SIGKILL, 137)])
def test_a_process_that_a_signal_has_ended_has_the_code_that_shells_report(returned, code):
    assert exit_code(returned) == code
