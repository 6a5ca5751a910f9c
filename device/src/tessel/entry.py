"""The command `tessel` from its first moment on: Ctrl-C while it is loaded is no traceback."""

INTERRUPTED_EXIT = 130  # as shells report SIGINT


def main() -> int:
    """Load and run the command, and return its exit code."""
    try:
        from tessel.__main__ import main as command  # noqa: PLC0415 - it takes most of the time

        return command()
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT
