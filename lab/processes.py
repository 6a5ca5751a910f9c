"""Processes of this machine: started with their output in files, ended by their own id."""

import os
import signal
import subprocess

STOP_SECONDS = 10.0  # what a process has for its clean end before it is killed


class Process:
    """One process that was started here. Its output is read while it runs, and after."""

    def __init__(self, command, environ, folder, name):
        self.name = name
        self._stdout = folder / f"{name}.out"
        self._stderr = folder / f"{name}.err"
        # appended to: a service that is started again goes on with its log
        with self._stdout.open("ab") as stdout, self._stderr.open("ab") as stderr:
            self._popen = subprocess.Popen(
                command,
                env=_child_environ(environ),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,  # Ctrl-C reaches the one who started it, who stops it
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
        """Its exit code; TimeoutError, and its end by force, if it takes longer."""
        try:
            return self._popen.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(
                f"{self.name} ran for more than {within:g} s\n{self.stdout}{self.stderr}"
            ) from None

    def stop(self):
        """Ask it to end, and see to it."""
        self._popen.terminate()
        try:
            self._popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self):
        """End it as a crash would."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(STOP_SECONDS)


def _child_environ(environ):
    """Nothing of this process's settings but where programs and homes are."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1", **environ}
