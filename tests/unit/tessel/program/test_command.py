"""`tessel run` as a process of its own."""

import os
import signal
import subprocess
import sys

import pytest

from support.tessel_command import EXAMPLES, LIMIT_S, TESSEL, environment
from tessel import __main__ as command
from tessel.__main__ import main
from tessel.run_options import RUN_USAGE
from tessel.settings import SETTINGS
from tessel_service_kit.settings_help import described


def command_line(*arguments, **environ):
    """`tessel run` with these; the finished process."""
    return subprocess.run(
        [TESSEL, "run", *map(str, arguments)],
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture
def program(tmp_path):
    """Writes a program; runs it; gives the finished process."""

    def run(text, *arguments, options=(), **environ):
        path = tmp_path / "program.py"
        path.write_text(text)
        return command_line(*options, path, *arguments, **environ)

    return run


def test_a_program_without_any_network_runs_as_main_with_its_arguments(program, tmp_path):
    (tmp_path / "beside.py").write_text("WORD = 'beside'")
    done = program(
        "import sys, os, beside\n"
        "print(__name__, sys.argv[1:], os.environ['COLOUR'], beside.WORD)\n"
        "print(sys.modules['__main__'].beside is beside)",
        "a",
        "--env",
        options=("--env", "COLOUR=blue"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "__main__ ['a', '--env'] blue beside\nTrue\n"


def test_sockets_over_loopback_and_then_the_end(program):
    done = program(
        "from tessel import net\n"
        "server = net.create_server(lambda socket: socket.pipe(socket))\n"
        "def talk():\n"
        "    client = net.connect(server.address()['port'], 'localhost')\n"
        "    client.end('hello')\n"
        "    client.on('data', lambda data: print(data.decode()))\n"
        "    client.on('close', lambda had_error: (print('close', had_error), server.close()))\n"
        "server.listen(0, talk)\n",
        _PROXY_DBG="1",
    )
    assert done.returncode == 0
    assert done.stdout == "hello\nclose False\n"
    assert "(net) directly: there is no token" in done.stderr
    assert "opened 1 TCP connection in all" in done.stderr


def test_an_error_that_nobody_listens_for_ends_it(program):
    done = program("from tessel import net\nnet.connect(1, '127.0.0.1')\n")
    assert done.returncode == 1
    told, place = done.stderr.splitlines()
    assert told == "tessel: connect ECONNREFUSED 127.0.0.1:1"
    assert place.startswith("  opened at ")
    assert place.endswith("program.py:2")


def test_a_proxy_that_is_not_named_is_reported_in_a_line(program):
    done = program("from tessel import net\nnet.connect(1, 'example.com')\n", TM_API_KEY="key")
    assert done.returncode == 1
    assert done.stderr == (
        "tessel: PROXY_HOST is not set, but a token is; "
        "allowed: the name or address of your proxy\n"
    )


def test_twisted_itself_may_be_used(program):
    done = program(
        "from twisted.internet import reactor, threads\n"
        "from twisted.internet.defer import Deferred\n"
        "from twisted.internet.task import deferLater\n"
        "async def main():\n"
        "    await deferLater(reactor, 0.2)\n"
        "    print(await threads.deferToThread(lambda: 'from a thread'))\n"
        "    raise RuntimeError('nobody handled it')\n"
        "Deferred.fromCoroutine(main())\n"
    )
    assert done.stdout == "from a thread\n"
    assert done.returncode == 1
    assert "nobody handled it" in done.stderr


def test_an_error_in_a_call_of_the_reactors_ends_it(program):
    done = program(
        "from twisted.internet import reactor\n"
        "reactor.callLater(0, lambda: 1 / 0)\n"
        "reactor.callLater(60, print)\n"
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_warnings_go_where_python_sends_them(program):
    done = program("import warnings\nwarnings.warn('mind this')\n")
    assert done.returncode == 0
    assert "mind this" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_program_that_would_go_on(tmp_path, number):
    path = tmp_path / "program.py"
    path.write_text(
        "from tessel import net\n"
        "net.create_server().listen(0, '127.0.0.1', lambda: print('up', flush=True))\n"
    )
    process = subprocess.Popen(
        [TESSEL, "run", str(path)], env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        assert process.wait(LIMIT_S) == 128 + number
    finally:
        process.kill()
        process.communicate()


def test_a_malformed_setting_is_reported_before_the_program_starts(program):
    done = program("print('started')", PROXY_PORT="many", PROXY_TLS="perhaps")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "tessel: PROXY_PORT='many'" in done.stderr
    assert "tessel: PROXY_TLS='perhaps'" in done.stderr


def test_a_setting_misspelt_is_warned_about(program):
    done = program("print('runs')", PROXI_HOST="x", options=("--env", "PROXY_TOKN=y"))
    assert (done.returncode, done.stdout) == (0, "runs\n")
    assert done.stderr.splitlines() == [
        "tessel: warning: PROXI_HOST is not a setting: did you mean PROXY_HOST?",
        "tessel: warning: PROXY_TOKN is not a setting: did you mean PROXY_TOKEN?",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "examples/echo.py",
        "examples/join_network.js",
        "examples/join_network.py",
        "examples/parallel_downloads.js",
        "examples/parallel_downloads.py",
        "examples/treq_over_tunnel.py",
        "examples/what_time.py",
        "demo/tally.py",
        "demo/twenty_sockets.py",
        "demo/visits.py",
    ],
)
def test_an_example_without_its_arguments_prints_its_usage(name):
    done = command_line(EXAMPLES.parent / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"usage: tessel run {name} ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("sample", "begin"), [("ipcalf.js", "Error: "), ("ipcalf.py", "tessel: ")])
def test_the_originals_sample_without_a_proxy_says_what_is_missing(sample, begin):
    done = command_line(EXAMPLES / sample)
    assert done.returncode == 1
    assert f"{begin}PROXY_HOST is not set, but a token is; allowed: " in done.stderr


@pytest.mark.parametrize("sample", ["ipcalf.js", "ipcalf.py"])
def test_the_originals_sample_goes_directly_when_its_token_is_taken_away(sample):
    url = "http://127.0.0.1:1/"
    done = command_line("--env", "TM_API_KEY=", EXAMPLES / sample, url)
    assert done.returncode == 1
    assert ": connect ECONNREFUSED 127.0.0.1:1\n" in done.stderr


def test_help_says_where_options_go_and_what_may_be_set(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["run", "--help"])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    usage = f"usage: {RUN_USAGE}\n"
    assert told.startswith(usage)
    assert "Options go before PROGRAM" in told
    assert described(SETTINGS) in told


def test_the_version_is_reported(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("tessel 0.")


def test_a_program_may_set_its_settings_itself(program):
    done = program(
        "import os\n"
        "from tessel import net\n"
        "os.environ['TM_API_KEY'] = 'key'\n"
        "net.connect(1, 'example.invalid').on('error', lambda error: print(error.code, error))\n"
    )
    assert done.returncode == 0
    assert done.stdout.startswith("ERR_SETTINGS PROXY_HOST is not set")


LOADED = """
import signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == "tessel.__main__": signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
from tessel.entry import main
sys.exit(main())
"""


def test_ctrl_c_while_the_command_is_loaded_ends_without_a_traceback():
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "")


@pytest.mark.parametrize("name", ["hello.py", "hello.js"])
def test_ctrl_c_before_the_program_runs_ends_without_a_traceback(
    name, tmp_path, monkeypatch, capsys
):
    def interrupted(*_):
        raise KeyboardInterrupt

    for run in ("_run_program", "_run_javascript"):
        monkeypatch.setattr(f"tessel.__main__.{run}", interrupted)
    (tmp_path / name).write_text("")
    assert main(["run", str(tmp_path / name)]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing.py", "No such file or directory"),
        ("folder", "Is a directory"),
        ("hello.py/x", "Not a directory"),
    ],
)
def test_what_cannot_be_read_as_a_program_is_a_usage_error(
    name, why, tmp_path, monkeypatch, capsys
):
    monkeypatch.delenv("PROXY_PORT", raising=False)
    (tmp_path / "folder").mkdir()
    (tmp_path / "hello.py").write_text("")
    assert main(["run", str(tmp_path / name)]) == 2
    allowed = "a JavaScript or Python program, or a folder with package.json or index.js"
    assert capsys.readouterr().err == f"tessel: {tmp_path / name}: {why}; expected: {allowed}\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_program_is_a_usage_error(tmp_path, capsys):
    (tmp_path / "hello.py").touch(0)
    assert main(["run", str(tmp_path / "hello.py")]) == 2
    assert "hello.py: Permission denied" in capsys.readouterr().err


def test_a_program_is_executed_as_python_would(tmp_path, monkeypatch):
    seen = []

    class Inside:
        """Runs the program's text, with no reactor around it."""

        def __init__(self, *parts, wrap_bus):
            self.observe = seen.append

        def run(self, main):
            main()
            return 7

    path = tmp_path / "program.py"
    path.write_text("import sys\nsys.argv.append(__name__)\n")
    monkeypatch.setattr(command, "Program", Inside)
    monkeypatch.setattr(command.globalLogBeginner, "beginLoggingTo", lambda *args, **options: None)
    monkeypatch.setattr(sys, "argv", ["tessel"])
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setenv("COLOUR", "red")
    assert main(["run", "--env", "COLOUR=blue", str(path), "a"]) == 7
    assert sys.argv == [str(path), "a", "__main__"]
    assert sys.path == [str(tmp_path)]
    assert os.environ["COLOUR"] == "blue"


def test_a_malformed_setting_is_an_exit_code(monkeypatch, capsys):
    monkeypatch.setenv("PROXY_PORT", "x")
    monkeypatch.setenv("PROXY_HOTS", "y")
    assert main(["run", "program.py"]) == 1
    warning, fault = capsys.readouterr().err.splitlines()
    assert warning == "tessel: warning: PROXY_HOTS is not a setting: did you mean PROXY_HOST?"
    assert fault.startswith("tessel: PROXY_PORT='x'")


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("", "tessel: error: a command is missing; expected: run, gateway, connect, join or radio"),
        ("run", "tessel run: error: the following arguments are required: PROGRAM"),
        (
            "run --env NOVALUE x.py",
            "tessel run: error: argument --env: 'NOVALUE' is not NAME=VALUE",
        ),
        ("run --envv A=B x.py", "tessel run: error: --envv is not an option; did you mean --env?"),
        ("run --trace", "tessel run: error: --trace is not an option; did you mean --trace-spi?"),
        (
            "hello.py",
            "tessel: error: 'hello.py' is not a command; to run a program: tessel run hello.py",
        ),
        ("/", "tessel: error: '/' is not a command; to run a program: tessel run /"),
        ("Run x.py", "tessel: error: 'Run' is not a command; did you mean run?"),
        ("check", "tessel: error: 'check' is not a command; did you mean tessel radio check?"),
        (
            "A=B",
            (
                "tessel: error: 'A=B' is not a command; "
                "to set a variable: tessel run --env A=B PROGRAM"
            ),
        ),
        (
            "--env A=B run x.py",
            "tessel: error: --env goes after the command: tessel run --env ...",
        ),
        ("radio", "tessel radio: error: a command is missing; expected: check or decode"),
        ("radio chek", "tessel radio: error: 'chek' is not a command; did you mean check?"),
        ("radio check x", "tessel radio check: error: unexpected argument: 'x'"),
        (
            "radio decode",
            "tessel radio decode: error: the following arguments are required: FILE",
        ),
        ("radio decode a b", "tessel radio decode: error: unexpected argument: 'b'"),
    ],
)
def test_a_usage_error_says_what_was_probably_meant(words, fault, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2
    usage, *_, told = capsys.readouterr().err.splitlines()
    assert told == fault
    assert usage.startswith(f"usage: {fault.partition(': error')[0]} ")


@pytest.mark.parametrize("option", ["--board-log", "--board-input"])
def test_options_of_the_board_are_for_javascript_programs(option, tmp_path, capsys):
    path = tmp_path / "hello.py"
    path.write_text("")
    assert main(["run", option, "any", str(path)]) == 2
    told = capsys.readouterr().err
    assert told == f"tessel: {option}: only JavaScript programs use the board; {path} is another\n"
