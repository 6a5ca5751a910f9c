"""Processes of this machine that write their output to files and are ended by their own id."""

import os
import signal
import subprocess

STOP_SECONDS = 10.0  # after SIGTERM; then the process is killed


class Process:
    """A process that is started by the constructor. Its output can be read at any time."""

    def __init__(self, command, environ, folder, name):
        self.name = name
        self._stdout = folder / f"{name}.out"
        self._stderr = folder / f"{name}.err"
        # append, because a service that is started again continues its log
        with self._stdout.open("ab") as stdout, self._stderr.open("ab") as stderr:
            self._popen = subprocess.Popen(
                command,
                env=_child_environ(environ),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C goes to the parent only, which stops the process
            )

    @property
    def stdout(self):
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self):
        return self._stderr.read_text(errors="replace")

    @property
    def id(self):
        return self._popen.pid

    @property
    def exit_code(self):
        """None while it runs."""
        return self._popen.poll()

    def signal(self, number):
        self._popen.send_signal(number)

    def wait(self, within):
        """Wait for the end and return the exit code; kill it after `within` seconds."""
        try:
            return self._popen.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(
                f"{self.name} ran for more than {within:g} s\n{self.stdout}{self.stderr}"
            ) from None

    def stop(self):
        """Send SIGTERM, and SIGKILL if it does not end within STOP_SECONDS."""
        self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """Kill the process and its children, without a clean end."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(STOP_SECONDS)


def _child_environ(environ):
    """Return the environment for a child: of this process's variables only PATH, HOME and LANG."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", **environ}
