"""Devices that make connections all the time, and count what they lose."""

import threading

from lab.waiting import eventually
from support.frame_socket import GoneError
from support.hardening.device import Device, connecting, data, end

PAUSE_SECONDS = 0.2  # between two connections of a board
STOP_SECONDS = 30.0  # more than a board waits for an answer


class Board:
    """A device that makes one short connection after the other, if need be in a new tunnel."""

    def __init__(self, port, context, token, echo):
        self._port, self._context = port, context
        self._token, (self._echo_host, self._echo_port) = token, echo
        self._stopping = threading.Event()
        self.echoes = 0
        self.lost = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stopping.is_set():
            try:
                self._use_a_tunnel()
            except (GoneError, OSError):
                self.lost += 1
                self._stopping.wait(PAUSE_SECONDS)

    def _use_a_tunnel(self):
        with Device(self._port, self._context) as device:
            assert "error" not in device.authenticate(self._token)
            channel = 0
            while not self._stopping.wait(PAUSE_SECONDS):
                channel += 2  # a device's substreams have even numbers
                said = b"%d" % channel * 100
                device.send(
                    connecting(channel, self._echo_port, self._echo_host), data(channel, said)
                )
                assert device.read_bytes(channel, len(said)) == said
                device.send(end(channel))
                self.echoes += 1

    def stop(self):
        self._stopping.set()
        self._thread.join(STOP_SECONDS)
        assert not self._thread.is_alive()


class Load:
    """Some boards, each with a tunnel of its own."""

    def __init__(self, count, port, context, token, echo):
        """Start this many boards.

        Args:
            count: the number of boards.
            port: the port on this machine that they connect to.
            context: their TLS context.
            token: their token.
            echo: host and port of a target that sends back what it gets.
        """
        self._boards = [Board(port, context, token, echo) for _ in range(count)]

    @property
    def losers(self):
        """The number of boards that lost a tunnel or could not open one."""
        return sum(board.lost > 0 for board in self._boards)

    def wait_until_all_are_served(self, within):
        """Wait until each board has completed two more connections: one may have begun before."""
        before = [board.echoes for board in self._boards]

        def served():
            return all(
                board.echoes >= old + 2 for board, old in zip(self._boards, before, strict=True)
            )

        eventually(served, within, lambda: [board.echoes for board in self._boards])

    def stop(self):
        for board in self._boards:
            board.stop()
