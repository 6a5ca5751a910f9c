"""The board's Wi-Fi for a JavaScript program: its operations, events and state on the channel.

The program asks for the state without waiting, so that each event carries the state of its moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tessel.errors import NodeError
from tessel.javascript import call_fields
from tessel.javascript.channel import BadCallError, Channel
from tessel.javascript.error_fields import error_fields
from tessel.javascript.frames import Fields
from tessel.node._wifi.board_wifi import BoardWifi
from tessel.node.base.runtime import Runtime
from tessel.radio.interface import LinkState

HIGHEST_CALL = 2**32 - 1
HIGHEST_TIMEOUT_S = 2**31 // 1000  # of Node's timers


class Wifi:
    """The Wi-Fi of a program's board. It lives as long as the program."""

    def __init__(self, channel: Channel, runtime: Runtime, object_id: int) -> None:
        self._channel = channel
        self._runtime = runtime
        self._object_id = object_id
        self._board: BoardWifi | None = None
        self._fault: NodeError | None = None  # wrong settings: there is no radio
        self._timeout: object = None  # the error of the last event `timeout`
        self._stop_watching: Callable[[], None] = lambda: None

    def begin(self) -> None:
        """Switch the radio on; the event `begun` says that it is on, or could not be.

        With wrong settings there is no radio: the event is `failed`.
        """
        try:
            board = self._board = BoardWifi(self._runtime, self._warn)
            radio = self._runtime.wifi()
        except NodeError as error:
            self._fault = error
            self._event("failed", error=error_fields(error))
            return
        if radio is not None:
            self._stop_watching = radio.watch_link(self._link_changed)
        board.on("connect", lambda _: self._event("connect"))
        board.on("disconnect", lambda: self._event("disconnect"))
        board.on("timeout", self._timed_out)
        begun = board.begun()  # an event `connect` may wait for the next tick, and comes first
        begun.addCallback(lambda _: self._runtime.next_tick(self._event, "begun"))
        begun.addErrback(self._runtime.broken)

    def called(self, fields: Fields, data: bytes) -> None:
        """Called with an operation of the program; the answer is the event `answer`."""
        del data
        answer = partial(self._answer, call_fields.whole(fields, "call", HIGHEST_CALL))
        if self._fault is not None:
            answer(self._fault, None)
            return
        operation = self._operation(fields)
        try:
            operation(answer)
        except NodeError as error:  # of the options
            answer(error, None)

    def received(self, data: bytes) -> None:
        """Called with bytes for this object, which Wi-Fi does not accept."""
        raise BadCallError(f"{len(data)} bytes for Wi-Fi")

    def credited(self, nbytes: int) -> None:
        """Called with credit for this object, which Wi-Fi does not accept."""
        raise BadCallError(f"a credit of {nbytes} for Wi-Fi")

    def abandon(self) -> None:
        """Stop watching the radio: the program has ended."""
        self._stop_watching()
        self._channel.remove(self._object_id)

    def _operation(self, fields: Fields) -> Callable[[Callable[..., None]], object]:
        if self._board is None:
            raise BadCallError("Wi-Fi was not begun")
        match fields.get("op"):
            case "join":
                return partial(self._board.connect, _joining(fields))
            case "leave":
                return self._board.disconnect
            case "reset":
                return self._board.reset
            case "enable":
                return self._board.enable
            case "disable":
                return self._board.disable
            case other:
                raise BadCallError(f"Wi-Fi has no call {other!r}")

    # Events.

    def _answer(self, call: int, error: NodeError | None, _: object) -> None:
        failed = None if error is None else error_fields(error)
        timed_out = error is not None and error is self._timeout
        self._event("answer", call=call, error=failed, timed_out=timed_out)

    def _timed_out(self, error: NodeError) -> None:
        self._timeout = error
        self._event("timeout", error=error_fields(error))

    def _link_changed(self, state: LinkState) -> None:
        del state  # the event carries it
        self._event("state")

    def _warn(self, text: str, at: str | None) -> None:
        del at  # a line of a Python program
        self._event("warning", text=text)

    def _event(self, name: str, **fields: object) -> None:
        state = None if self._board is None else _state(self._board)
        self._channel.send(self._object_id, {"event": name, "state": state, **fields})


def _state(board: BoardWifi) -> Fields:
    mac = board.mac_address()
    return {
        "enabled": board.is_enabled(),
        "connected": board.is_connected(),
        "connection": board.connection(),
        "mac": None if mac is None else mac.hex(),
    }


def _joining(fields: Fields) -> Mapping[str, object]:
    """Return the options of `connect`; names and passwords are bytes, which JSON has as hex."""
    return {
        "ssid": _bytes(fields, "ssid"),
        "password": _bytes(fields, "password"),
        "security": call_fields.text(fields, "security"),
        "timeout": call_fields.whole(fields, "timeout", HIGHEST_TIMEOUT_S),
    }


def _bytes(fields: Fields, name: str) -> bytes:
    try:
        return bytes.fromhex(call_fields.text(fields, name))
    except ValueError as error:
        raise BadCallError(f"{fields.get('op')}: {name} is not hex") from error
