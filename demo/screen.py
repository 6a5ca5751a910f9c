"""The demo's output: with colours and a progress line on a terminal, else as plain text.

Rich omits colours if NO_COLOR is set, and colours and the progress line if TERM is `dumb`.
"""

import shlex
import textwrap
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PLAIN_COLUMNS = 100  # width of lines if there is no terminal
MIN_COLUMNS = 20
SPINNER = "line"  # ASCII only: a terminal may have any encoding
CLOCK_COLUMNS = 11  # the spinner, the time, and the spaces around them


class Screen:
    """Writes paragraphs, commands and their output to a stream."""

    def __init__(self, file):
        # force_terminal: else FORCE_COLOR would put a progress line into files, too
        self._console = Console(
            file=file, force_terminal=file.isatty(), highlight=False, markup=False, emoji=False
        )

    @property
    def columns(self):
        if not self._console.is_terminal:
            return PLAIN_COLUMNS
        return max(self._console.width - 1, MIN_COLUMNS)

    def headline(self, text):
        lines = textwrap.wrap(text, self.columns)
        rule = "-" * max(map(len, lines))
        self._print("\n".join(["", *lines, rule]), "bold cyan")

    def say(self, text):
        self._print(self._folded(text))

    def note(self, text):
        """Write a result of the demo."""
        self._print(self._folded(f"* {text}", "  "), "green")

    def command(self, words, settings):
        """Write a command that is about to run, in the syntax of a shell."""
        assignments = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
        # one line, so that it can be copied
        self._print(" ".join(["$", *assignments, shlex.join(words)]), "bold")

    def output(self, text):
        self._print(text.removesuffix("\n"))

    def complaint(self, text):
        self._print(text.removesuffix("\n"), "red")

    @contextmanager
    def progress(self, what):
        """Show a line with the elapsed time below the others, if this is a terminal."""
        if not self._console.is_interactive:
            yield
            return
        columns = SpinnerColumn(SPINNER), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(what[: self.columns - CLOCK_COLUMNS])
            yield

    def _folded(self, text, indent=""):
        return textwrap.fill(
            text,
            self.columns,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _print(self, text, style=None):
        self._console.print(text, style=style, soft_wrap=True)
