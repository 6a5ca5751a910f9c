"""`wifi`: the radio's network in the manner of the Tessel's built-in module.

Events: connect (with what `connection` gives), disconnect, timeout, error. The radio is switched on
when a program first asks for anything here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import TimeoutError as TimeIsUp
from twisted.logger import Logger
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.node import runtime
from tessel.node.arguments import Callback
from tessel.node.events import EventEmitter, Listener
from tessel.node.runtime import Runtime
from tessel.radio.interface import IWifi, LinkState, RadioError

DEFAULT_TIMEOUT_S = 20.0  # the Tessel's
SECURITIES = ("unsecured", "wep", "wpa", "wpa2")
LONGEST_SSID, LONGEST_PASSWORD = 32, 64  # octets

log = Logger(namespace="tessel")


class Wifi(EventEmitter):
    """The Wi-Fi of the board that is on."""

    def __init__(self, board: Runtime) -> None:
        super().__init__()
        self._board = board
        self._busy = False
        self._was_up = False
        self._first: Deferred[None] | None = None  # what waits until the radio is on
        self._radio = board.wifi()
        if self._radio is not None:
            self._radio.watch_link(self._link_changed)
            self._begin(self._radio)

    # What a program asks for.

    def connect(
        self,
        options: Mapping[str, object] | None = None,
        callback: Callback | None = None,
        **named: object,
    ) -> Self:
        """`ssid`, `password`, `security` (wpa2 by default; unsecured without a password), and
        `timeout` in seconds. The callback is given `(error, connection)`.
        """
        given = {**(options or {}), **named}
        ssid, key = (
            _octets(given, "ssid", LONGEST_SSID),
            _octets(given, "password", LONGEST_PASSWORD),
        )
        security = given.get("security") or ("wpa2" if key else "unsecured")
        timeout_s = given.get("timeout", DEFAULT_TIMEOUT_S)
        if not ssid:
            raise _bad("ssid", "the name of a network", given.get("ssid"))
        if security not in SECURITIES:
            raise _bad("security", " or ".join(SECURITIES), security)
        if security != "unsecured" and not key:
            raise _bad("password", f"text, for {security}", None)
        if not isinstance(timeout_s, int | float) or not 0 < timeout_s < float("inf"):
            raise _bad("timeout", "a number of seconds", timeout_s)

        def join(radio: IWifi) -> Deferred[None]:
            joining: Deferred[None] = radio.join(ssid, str(security), key)
            return joining.addTimeout(timeout_s, self._board.clock)

        return self._ask("joining a network", join, callback)

    def disconnect(self, callback: Callback | None = None) -> Self:
        return self._ask("leaving the network", lambda radio: radio.leave(), callback)

    def reset(self, callback: Callback | None = None) -> Self:
        """Off and on; the network is joined again."""
        return self._ask("resetting Wi-Fi", self._off_and_on, callback)

    def enable(self, callback: Callback | None = None) -> Self:
        return self._ask("switching Wi-Fi on", lambda radio: radio.switch_on(), callback)

    def disable(self, callback: Callback | None = None) -> Self:
        return self._ask("switching Wi-Fi off", lambda radio: radio.switch_off(), callback)

    def is_connected(self) -> bool:
        return self._radio is None or self._radio.link is LinkState.UP

    def is_busy(self) -> bool:
        return self._busy

    def is_enabled(self) -> bool:
        return self._radio is None or self._radio.link is not LinkState.OFF

    def connection(self) -> dict[str, object] | None:
        """`{event, connected, ssid, ip, dns, dhcp, gateway}`; None while there is none."""
        status = None if self._radio is None else self._radio.status()
        if status is None:
            return None
        return {
            "event": "status",
            "connected": True,
            "ssid": status.ssid.decode(errors="replace"),
            "ip": status.address,
            "dns": status.name_server,
            "dhcp": status.dhcp_server,
            "gateway": status.gateway,
        }

    def mac_address(self) -> bytes | None:
        """Six octets; None until the radio was on, or where it has none."""
        return None if self._radio is None else self._radio.mac

    # How it is done.

    def _ask(
        self, what: str, work: Callable[[IWifi], Deferred[None]], callback: Callback | None
    ) -> Self:
        radio = self._radio
        if radio is None:
            self._later(NodeError("RADIO=host has no Wi-Fi of its own", "ENOTSUP"), callback)
        elif self._busy:
            text = "Previous wifi connect is in the middle of a call"
            self._later(NodeError(text, "EBUSY"), callback)
        else:
            self._run(what, lambda: work(radio), callback)
        return self

    def _begin(self, radio: IWifi) -> None:
        """As the Tessel before its program: on, and in the network that the settings name."""
        handle = self._board.handles.open("switching Wi-Fi on")
        self._first = Deferred()
        beginning = self._board.network.ready().addCallback(lambda _: radio.switch_on())
        beginning.addErrback(self._not_begun).addBoth(self._has_begun)
        beginning.addCallback(lambda _: self._board.next_tick(handle.close))

    def _not_begun(self, failure: Failure) -> None:
        """Not being in a network is a state, and no error of the program's."""
        if failure.check(RadioError, NodeError):
            log.debug("no Wi-Fi at the start: {fault}", fault=failure.value)
        else:
            self._board.call(failure.raiseException)  # a bug below

    def _has_begun(self, _: object) -> None:
        first, self._first = self._first, None
        if not self._busy:  # else the program asked for something: what comes of it is told
            self._tell_if_up()
        if first is not None:
            first.callback(None)

    def _tell_if_up(self) -> None:
        """If nobody has yet."""
        if self._radio is not None and self._radio.link is LinkState.UP and not self._was_up:
            self._link_changed(LinkState.UP)

    def _run(
        self, what: str, work: Callable[[], Deferred[None]], callback: Callback | None
    ) -> None:
        self._busy = True
        handle = self._board.handles.open(what)

        def over(result: object) -> object:
            self._busy = False
            self._tell_if_up()
            self._board.next_tick(handle.close)  # what it has the program do may open others
            return result

        begun = succeed(None) if self._first is None else self._first
        done = begun.addCallback(lambda _: work()).addBoth(over)
        done.addCallbacks(
            lambda _: self._succeeded(callback), lambda failure: self._failed(failure, callback)
        )

    def _off_and_on(self, radio: IWifi) -> Deferred[None]:
        off: Deferred[None] = radio.switch_off()
        return off.addCallback(lambda _: radio.switch_on())

    def _succeeded(self, callback: Callback | None) -> None:
        if callback is not None:
            self._board.call(callback, None, self.connection())

    def _failed(self, failure: Failure, callback: Callback | None) -> None:
        if failure.check(TimeIsUp):
            error = NodeError("The network was not joined in time", "ETIMEDOUT")
            self._board.call(self.emit, "timeout", error)
            if callback is not None:
                self._board.call(callback, error, None)
        elif isinstance(failure.value, RadioError):
            self._tell(NodeError(str(failure.value), failure.value.code), callback)
        else:
            self._board.call(failure.raiseException)  # a bug below

    def _later(self, error: NodeError, callback: Callback | None) -> None:
        self._board.next_tick(self._tell, error, callback)

    def _tell(self, error: NodeError, callback: Callback | None) -> None:
        """To whoever asked; without a callback, as the event."""
        if callback is not None:
            self._board.call(callback, error, None)
        else:
            self._board.call(self.emit, "error", error)

    def _link_changed(self, state: LinkState) -> None:
        if self._first is not None:
            return  # not before its address is known, too
        was_up, self._was_up = self._was_up, state is LinkState.UP
        if state is LinkState.UP:
            self._board.call(self.emit, "connect", self.connection())
        elif was_up:
            self._board.call(self.emit, "disconnect")


def _octets(options: Mapping[str, object], name: str, longest: int) -> bytes:
    value = options.get(name)
    if value is None:
        return b""
    octets = value.encode() if isinstance(value, str) else value
    if not isinstance(octets, bytes) or len(octets) > longest:
        raise _bad(name, f"text of at most {longest} octets", "it" if name == "password" else value)
    return octets


def _bad(name: str, expected: str, value: object) -> NodeError:
    return NodeError(
        f"The option {name!r} must be {expected}. Received {value!r}", "ERR_INVALID_ARG_VALUE"
    )


# The module, as a program has it: the Wi-Fi of the board that is on.

_by_board: WeakKeyDictionary[Runtime, Wifi] = WeakKeyDictionary()


def _current() -> Wifi:
    board = runtime.current()
    if board not in _by_board:
        _by_board[board] = Wifi(board)
    return _by_board[board]


def on(event: str, listener: Listener) -> Wifi:
    return _current().on(event, listener)


def once(event: str, listener: Listener) -> Wifi:
    return _current().once(event, listener)


def off(event: str, listener: Listener) -> Wifi:
    return _current().off(event, listener)


def connect(
    options: Mapping[str, object] | None = None,
    callback: Callback | None = None,
    **named: object,
) -> Wifi:
    return _current().connect(options, callback, **named)


def disconnect(callback: Callback | None = None) -> Wifi:
    return _current().disconnect(callback)


def reset(callback: Callback | None = None) -> Wifi:
    return _current().reset(callback)


def enable(callback: Callback | None = None) -> Wifi:
    return _current().enable(callback)


def disable(callback: Callback | None = None) -> Wifi:
    return _current().disable(callback)


def is_connected() -> bool:
    return _current().is_connected()


def is_busy() -> bool:
    return _current().is_busy()


def is_enabled() -> bool:
    return _current().is_enabled()


def connection() -> dict[str, object] | None:
    return _current().connection()


def mac_address() -> bytes | None:
    return _current().mac_address()
