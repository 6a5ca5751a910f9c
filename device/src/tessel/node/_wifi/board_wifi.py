"""The board's Wi-Fi as an EventEmitter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.internet.defer import TimeoutError as TimeIsUp
from twisted.python.failure import Failure

from tessel.errors import NodeError
from tessel.node._wifi.options import parsed
from tessel.node.base import arguments, capability_warnings
from tessel.node.base.arguments import Callback
from tessel.node.base.runtime import Runtime
from tessel.node.events import EventEmitter
from tessel.radio.interface import IWifi, LinkState, NetworkUnreachableError, RadioError
from tessel.source_location import here

T = TypeVar("T")


class BoardWifi(EventEmitter):
    """The Wi-Fi of the board that is on."""

    def __init__(self, board: Runtime) -> None:
        super().__init__()
        self._board = board
        self._busy = 0  # operations under way
        self._joining = False  # one of them joins or leaves a network
        self._switch = DeferredLock()  # of the power
        self._asked_at = here()  # the line of the program that asked last
        self._was_up = False
        self._first: Deferred[None] | None = None  # what waits until the radio is on
        self._radio = board.wifi()
        if self._radio is not None:
            self._radio.watch_link(self._link_changed)
            self._radio.watch_trouble(self._not_joined)
            board.ask(self._begin, self._radio)

    # What a program asks for.

    def connect(
        self,
        options: Mapping[str, object] | None = None,
        callback: Callback | None = None,
        **named: object,
    ) -> Self:
        """`ssid`, `password`, `security` (wpa2 by default; unsecured without a password; in any
        case), and `timeout` in seconds (20 by default; a number, or text as the Tessel took it).
        The callback is given `(error, connection)`.
        """
        joining = parsed({**arguments.options_mapping(options), **named})
        callback = arguments.callback_or_none(callback)

        def join(radio: IWifi) -> Deferred[None]:
            joined: Deferred[None] = radio.join(joining.ssid, joining.security, joining.key)
            return joined.addTimeout(joining.timeout_s, self._board.clock)

        return self._ask("joining a network", join, callback)

    def disconnect(self, callback: Callback | None = None) -> Self:
        return self._ask("leaving the network", lambda radio: radio.leave(), callback)

    def reset(self, callback: Callback | None = None) -> Self:
        """Off and on. The callback comes when the radio is on; the network is joined meanwhile."""
        return self._power("resetting Wi-Fi", self._off_and_on, callback)

    def enable(self, callback: Callback | None = None) -> Self:
        """The callback comes when the radio is on; the network is joined meanwhile."""
        return self._power("switching Wi-Fi on", lambda radio: radio.switch_on(), callback)

    def disable(self, callback: Callback | None = None) -> Self:
        """Servers and datagram sockets go on listening when it is enabled again."""
        return self._power("switching Wi-Fi off", lambda radio: radio.switch_off(), callback)

    def is_connected(self) -> bool:
        return self._radio is None or self._radio.link is LinkState.UP

    def is_busy(self) -> bool:
        return self._busy > 0

    def is_enabled(self) -> bool:
        return self._radio is None or self._radio.link is not LinkState.OFF

    def connection(self) -> dict[str, object] | None:
        """`{event, connected, ssid, ip, dns, dhcp, gateway}`; None while there is none."""
        up = self._radio is not None and self._radio.link is LinkState.UP
        status = self._radio.status() if self._radio is not None and up else None
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
        """Six bytes; None until the radio was on, or where it has none."""
        return None if self._radio is None else self._radio.mac

    # How it is done.

    def _ask(
        self, what: str, work: Callable[[IWifi], Deferred[None]], callback: Callback | None
    ) -> Self:
        """One at a time, when the power switch rests."""
        callback = arguments.callback_or_none(callback)
        if self._radio is not None and self._joining:
            text = "Previous wifi connect is in the middle of a call"
            self._asked_at = here()
            self._board.later(self._tell, NodeError(text, "EBUSY"), callback)
            return self

        def over(result: T) -> T:
            self._joining = False
            return result

        def alone(radio: IWifi) -> Deferred[None]:
            switched: Deferred[None] = self._switch.run(succeed, None)
            return switched.addCallback(lambda _: work(radio)).addBoth(over)

        self._joining = self._radio is not None
        return self._do(what, alone, callback)

    def _power(
        self, what: str, work: Callable[[IWifi], Deferred[None]], callback: Callback | None
    ) -> Self:
        """In turn, but at once if a network is being joined, which fails then."""
        return self._do(what, lambda radio: self._switch.run(work, radio), callback)

    def _do(
        self, what: str, work: Callable[[IWifi], Deferred[None]], callback: Callback | None
    ) -> Self:
        radio = self._radio
        callback = arguments.callback_or_none(callback)
        self._asked_at = here()
        if radio is None:
            self._board.later(self._has_none, callback)
        else:
            self._board.ask(self._run, what, lambda: work(radio), callback)
        return self

    def _has_none(self, callback: Callback | None) -> None:
        """The host's network is not ours to manage: a program goes on without."""
        error = NodeError("RADIO=host has no Wi-Fi of its own", "ENOTSUP")
        if callback is not None:
            callback(error, None)
        elif self.listener_count("error"):
            self.emit("error", error)
        else:
            capability_warnings.warn(f"{error}: the call is ignored", self._asked_at)

    def _begin(self, radio: IWifi) -> None:
        """As the Tessel before its program: on, and in the network that the settings name."""
        handle = self._board.handles.open("switching Wi-Fi on", self._asked_at)
        self._first = Deferred()
        beginning = self._board.network.ready().addErrback(self._no_network)
        beginning.addCallback(lambda _: radio.switch_on())
        beginning.addErrback(self._not_begun).addBoth(self._has_begun)
        beginning.addCallback(lambda _: self._board.next_tick(handle.close))

    def _no_network(self, failure: Failure) -> None:
        """Then the radio is on all the same, and tries again."""
        fault = failure.value
        if not isinstance(fault, NodeError) or fault.code != NetworkUnreachableError.code:
            failure.raiseException()
        else:
            self._not_joined(fault.hint or fault)

    def _not_begun(self, failure: Failure) -> None:
        """Not being in a network is a state, and no error of the program's."""
        if isinstance(failure.value, NodeError | RadioError):
            capability_warnings.warn(f"wifi: {failure.value}", self._asked_at)
        else:
            self._board.broken(failure)

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
        self._busy += 1
        handle = self._board.handles.open(what, self._asked_at)

        def over(result: object) -> object:
            self._busy -= 1
            self._tell_if_up()
            self._board.next_tick(handle.close)  # what it has the program do may open others
            return result

        begun: Deferred[None] = Deferred()
        if self._first is None:
            begun.callback(None)
        else:
            self._first.addCallback(begun.callback)
        done = begun.addCallback(lambda _: work()).addBoth(over)
        done.addCallbacks(
            lambda _: self._succeeded(callback), lambda failure: self._failed(failure, callback)
        ).addErrback(self._board.broken)

    def _off_and_on(self, radio: IWifi) -> Deferred[None]:
        off: Deferred[None] = radio.switch_off()
        return off.addCallback(lambda _: radio.switch_on())

    def _succeeded(self, callback: Callback | None) -> None:
        if callback is not None:
            self._board.later(self._tell_success, callback)

    def _tell_success(self, callback: Callback) -> None:
        callback(None, self.connection())

    def _failed(self, failure: Failure, callback: Callback | None) -> None:
        if failure.check(TimeIsUp):
            self._board.later(self._tell_timeout, callback)
        elif isinstance(failure.value, RadioError):
            error = NodeError(str(failure.value), failure.value.code)
            self._board.later(self._tell, error, callback)
        else:
            self._board.broken(failure)

    def _tell_timeout(self, callback: Callback | None) -> None:
        error = NodeError("The network was not joined in time", "ETIMEDOUT")
        heard = self.emit("timeout", error)
        if callback is not None:
            callback(error, None)
        elif not heard:
            capability_warnings.warn(f"wifi: {error}", self._asked_at)

    def _tell(self, error: NodeError, callback: Callback | None) -> None:
        """The callback; without one, the event."""
        if callback is not None:
            callback(error, None)
        else:
            self.opened_at = self._asked_at
            self.emit("error", error)

    def _not_joined(self, fault: Exception | str) -> None:
        """The radio is on, and joins in vain. It goes on trying; the program is not ended."""
        capability_warnings.warn(
            f"wifi: no network: {fault}. The radio tries again", self._asked_at
        )

    def _link_changed(self, state: LinkState) -> None:
        if self._first is not None:
            return  # not before its address is known, too
        was_up, self._was_up = self._was_up, state is LinkState.UP
        if state is LinkState.UP:
            self._board.call(self.emit, "connect", self.connection())
        elif was_up:
            self._board.call(self.emit, "disconnect")
