"""The board's Wi-Fi in the manner of the Tessel's built-in `wifi` module.

    from tessel import wifi

    wifi.on("connect", lambda connection: print(connection["ip"]))
    wifi.connect(ssid="home", password="secret")

The functions work on the board that is on, and have all methods of an EventEmitter. Events:
`connect` (the dict of `connection`), `disconnect`, `timeout` (NodeError), `error` (NodeError).
The radio is switched on when a program first uses anything here.
"""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

from tessel.node._wifi.board_wifi import BoardWifi
from tessel.node.base import capability_warnings, runtime
from tessel.node.base.arguments import Callback
from tessel.node.base.runtime import Runtime
from tessel.node.events import EventEmitter, Listener
from tessel.source_location import here

__all__ = [
    "connect",
    "connection",
    "disable",
    "disconnect",
    "enable",
    "is_busy",
    "is_connected",
    "is_enabled",
    "mac_address",
    "off",
    "on",
    "once",
    "reset",
]

_by_board: WeakKeyDictionary[Runtime, BoardWifi] = WeakKeyDictionary()


def __dir__() -> list[str]:
    return __all__


def _current() -> BoardWifi:
    board = runtime.current()
    if board not in _by_board:
        _by_board[board] = BoardWifi(board)
    return _by_board[board]


def _waited_for(event: str) -> BoardWifi:
    """Return the board's Wi-Fi; warn if it never emits this event, so that a program would wait."""
    board_wifi = _current()
    if event == "connect" and runtime.current().wifi() is None:
        text = "RADIO=host: wifi never emits connect, because the network is always there"
        capability_warnings.warn(f"{text}: ask wifi.is_connected()", here())
    return board_wifi


def __getattr__(name: str) -> object:
    """Return a method of the board's EventEmitter, such as `emit` or `listener_count`."""
    if name.startswith("_") or not callable(getattr(EventEmitter, name, None)):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_current(), name)


def on(event: str, listener: Listener) -> BoardWifi:
    """Add a listener for an event of the board's Wi-Fi. For the events see this module."""
    return _waited_for(event).on(event, listener)


def once(event: str, listener: Listener) -> BoardWifi:
    """Add a listener for the next event of this name of the board's Wi-Fi."""
    return _waited_for(event).once(event, listener)


def off(event: str, listener: Listener) -> BoardWifi:
    """Remove a listener for an event of the board's Wi-Fi."""
    return _current().off(event, listener)


def connect(
    options: Mapping[str, object] | None = None,
    callback: Callback | None = None,
    **named: object,
) -> BoardWifi:
    """Join a network.

    Args:
        options: a mapping, or keywords: `ssid`; `password`; `security`, one of "unsecured", "wep",
            "wpa" and "wpa2" (default: "wpa2" with a password, else "unsecured"); `timeout` in
            seconds (default: 20).
        callback: called with `(error, connection)`. Without a callback, a failure is emitted as
            `timeout` or `error`.
        named: options as keywords.

    Raises:
        NodeError: an option is unknown, missing or wrong.
    """
    return _current().connect(options, callback, **named)


def disconnect(callback: Callback | None = None) -> BoardWifi:
    """Leave the network.

    `callback` is called with `(error, connection)`; without it, a failure is emitted as `error`.
    """
    return _current().disconnect(callback)


def reset(callback: Callback | None = None) -> BoardWifi:
    """Switch the radio off and on.

    The callback is called with `(error, connection)` when the radio is on, and perhaps before it
    has joined its network.
    """
    return _current().reset(callback)


def enable(callback: Callback | None = None) -> BoardWifi:
    """Switch the radio on.

    `callback` is called with `(error, connection)` when the radio is on, and perhaps before it has
    joined its network.
    """
    return _current().enable(callback)


def disable(callback: Callback | None = None) -> BoardWifi:
    """Switch the radio off. Servers and UDP sockets resume when it is enabled again.

    `callback` is called with `(error, None)` when the radio is off.
    """
    return _current().disable(callback)


def is_connected() -> bool:
    """Return whether the radio has joined a network. With RADIO=host always True."""
    return _current().is_connected()


def is_busy() -> bool:
    """Return whether an operation, such as `connect` or `reset`, is in progress."""
    return _current().is_busy()


def is_enabled() -> bool:
    """Return whether the radio is on. With RADIO=host always True."""
    return _current().is_enabled()


def connection() -> dict[str, object] | None:
    """Return the network as `{event, connected, ssid, ip, dns, dhcp, gateway}`.

    None if the radio has not joined a network, and with RADIO=host.
    """
    return _current().connection()


def mac_address() -> bytes | None:
    """Return the six bytes of the radio's MAC address.

    None before the radio was switched on for the first time, and with RADIO=host.
    """
    return _current().mac_address()
