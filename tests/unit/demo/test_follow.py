"""A program's output is shown while it runs."""

import pytest

from demo.follow import follow


class Scripted:
    """A program whose outputs grow each time that its end is asked for."""

    def __init__(self, *stdout, stderr="", code=0):
        self._steps = list(stdout)
        self._code = code
        self.stdout = ""
        self.stderr = stderr
        self.killed = False

    @property
    def exit_code(self):
        if self._steps:
            self.stdout += self._steps.pop(0)
            return None
        return self._code

    def kill(self):
        self.killed = True


def followed(program, within=5):
    shown = []
    done = follow(program, shown.append, lambda text: shown.append(("stderr", text)), within)
    return done, shown


def test_lines_are_shown_as_they_come_and_whole():
    done, shown = followed(Scripted("one\n", "tw", "o\nthree\nfo", "ur"))
    assert shown == ["one\n", "two\nthree\n", "four"]
    assert (done.exit_code, done.stdout) == (0, "one\ntwo\nthree\nfour")


def test_what_it_complains_of_is_shown_too():
    done, shown = followed(Scripted("one\n", stderr="bad\n", code=1))
    assert ("stderr", "bad\n") in shown
    assert done.exit_code == 1


def test_a_program_that_does_not_end_is_killed():
    program = Scripted(code=None)
    with pytest.raises(TimeoutError):
        followed(program, within=0)
    assert program.killed
