"""Show the output of a running program while it is written."""

from lab.deployment.base import Finished
from lab.waiting import eventually


class _Follower:
    """Shows the new whole lines of an output."""

    def __init__(self, show):
        self._show = show
        self._shown = 0

    def take(self, text):
        if text:
            self._show(text)
            self._shown += len(text)

    def look(self, output):
        self.take(output[self._shown : output.rfind("\n") + 1])

    def finish(self, output):
        self.take(output[self._shown :])


def follow(running, on_stdout, on_stderr, within):
    """Wait for a program's end, and call `on_stdout` and `on_stderr` with its output.

    Raises:
        TimeoutError: it ran for more than `within` seconds, and was killed.
    """
    stdout, stderr = _Follower(on_stdout), _Follower(on_stderr)

    def ended():
        exit_code = running.exit_code  # read first, so that no output is missed
        stdout.look(running.stdout)
        stderr.look(running.stderr)
        return exit_code is not None

    try:
        eventually(ended, within, lambda: "the program did not end")
    except TimeoutError:
        running.kill()
        raise
    stdout.finish(running.stdout)
    stderr.finish(running.stderr)
    return Finished(running.exit_code, running.stdout, running.stderr)
