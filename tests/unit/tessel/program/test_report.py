"""What is said about the error that ended a program."""

import json

import pytest

import streamplex
from support.fake_board import powered_board
from tessel import source_location
from tessel.errors import NodeError
from tessel.node import http, net
from tessel.node.base.runtime import Runtime
from tessel.node.events import EventEmitter
from tessel.program.report import report
from tessel.settings import SettingsError

ERROR = NodeError("connect ECONNREFUSED 192.0.2.1:80", "ECONNREFUSED")


def raised_by(call, *args):
    """What the runtime catches when it calls this."""
    caught = []
    Runtime(None, None, None, caught.append).call(call, *args)
    return caught[0]


def test_each_fault_of_the_settings_has_its_line():
    assert report(SettingsError(["A is 1", "B is 2"])) == "tessel: A is 1\ntessel: B is 2\n"


def test_what_the_network_did_is_reported_in_a_line():
    assert report(ERROR) == "tessel: connect ECONNREFUSED 192.0.2.1:80\n"


def test_with_the_line_of_the_program_and_what_may_help():
    error = NodeError("Authorization failed.", "E")
    error.opened_at, error.hint = "hello.py:8", "look here"
    assert report(error) == (
        "tessel: Authorization failed.\n  opened at hello.py:8\n  hint: look here\n"
    )


def test_an_error_in_the_program_keeps_its_traceback_from_the_program_on():
    told = report(raised_by(json.loads, "x"))
    assert "runtime.py" in told  # nothing of it is the program's

    told = report(raised_by(lambda: json.loads("x")))
    assert told.startswith("Traceback (most recent call last):\n")
    assert "runtime.py" not in told
    assert told.splitlines()[1].startswith(f'  File "{__file__}"')
    assert "decoder.py" in told
    assert told.splitlines()[-1].startswith("json.decoder.JSONDecodeError: Expecting value")


def test_so_does_one_that_came_of_another():
    def main():
        try:
            json.loads("x")
        except ValueError as error:
            raise KeyError("y") from error

    told = report(raised_by(main))
    assert "runtime.py" not in told
    assert "direct cause" in told
    assert told.endswith("KeyError: 'y'\n")


def test_a_call_that_makes_no_sense_is_shown_without_the_runtimes_insides():
    with powered_board():
        told = report(raised_by(lambda: net.connect(80, b"host")))
    assert told.count("  File ") == 1
    assert told.endswith("Received type bytes (b'host')\n")


def test_text_that_is_no_program_is_reported_as_python_does():
    told = report(raised_by(compile, "def f(:", "hello.py", "exec"))
    assert told.startswith('  File "hello.py", line 1\n')
    assert told.endswith("SyntaxError: invalid syntax\n")


class TestPlaces:
    def test_the_line_that_runs_is_the_programs(self):
        assert source_location.here().startswith(f"{__file__}:")

    def test_there_may_be_none(self, monkeypatch):
        monkeypatch.setattr(source_location, "is_programs", lambda filename: False)
        assert source_location.here() is None

    @pytest.mark.parametrize(
        "filename",
        [source_location.__file__, streamplex.__file__, json.__file__, pytest.__file__, "<x>"],
    )
    def test_runtime_and_libraries_are_not_the_program(self, filename):
        assert not source_location.is_programs(filename)
        assert source_location.is_programs("hello.py")

    @pytest.mark.parametrize(
        "opened", [lambda: net.connect(80), lambda: http.get("http://example.com/")]
    )
    def test_an_error_nobody_heard_names_the_line_that_opened_it(self, opened):
        with powered_board() as board:
            opened()
            board.run()
            board.attempts[0].fail(NodeError("connect ECONNREFUSED", "ECONNREFUSED"))
            error = board.uncaught.pop()
        assert error.opened_at.startswith(f"{__file__}:")

    def test_an_emitter_that_was_opened_nowhere_names_none(self):
        error = NodeError("x", "X")
        with pytest.raises(NodeError):
            EventEmitter().emit("error", error)
        assert error.opened_at is None
