"""The board's Wi-Fi as an EventEmitter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Self, TypeVar

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

NOT_JOINED_HINT: Final = (
    "is the network in range, and the password right? The only network of a simulated chip is that "
    "of WIFI_SSID, else tesselnet"
)


class BoardWifi(EventEmitter):
    """The Wi-Fi of one board. For events and methods see `tessel.node.wifi`."""

    def __init__(
        self, board: Runtime, warn: Callable[[str, str | None], None] = capability_warnings.warn
    ) -> None:
        """Create the Wi-Fi of a board; `warn` is called with a text and the program's line."""
        super().__init__()
        self._board = board
        self._warn = warn
        self._busy = 0  # operations under way
        self._joining = False  # a network is being joined or left
        self._switch = DeferredLock()  # power operations run one after another
        self._asked_at = here()  # the program's line of the last call
        self._was_up = False
        self._first: Deferred[None] | None = None  # fires when the radio was first switched on
        self._radio = board.wifi()
        if self._radio is not None:
            self._radio.watch_link(self._link_changed)
            self._radio.watch_trouble(self._not_joined)
            board.ask(self._begin, self._radio)

    # For the program.

    def connect(
        self,
        options: Mapping[str, object] | None = None,
        callback: Callback | None = None,
        **named: object,
    ) -> Self:
        """Join a network; see `tessel.node.wifi.connect`."""
        joining = parsed({**arguments.options_mapping(options), **named})
        callback = arguments.callback_or_none(callback)

        def join(radio: IWifi) -> Deferred[None]:
            joined: Deferred[None] = radio.join(joining.ssid, joining.security, joining.key)
            return joined.addTimeout(joining.timeout_s, self._board.clock)

        return self._ask("joining a network", join, callback)

    def disconnect(self, callback: Callback | None = None) -> Self:
        """Leave the network; see `tessel.node.wifi.disconnect`."""
        return self._ask("leaving the network", lambda radio: radio.leave(), callback)

    def reset(self, callback: Callback | None = None) -> Self:
        """Switch the radio off and on; see `tessel.node.wifi.reset`."""
        return self._power("resetting Wi-Fi", self._off_and_on, callback)

    def enable(self, callback: Callback | None = None) -> Self:
        """Switch the radio on; see `tessel.node.wifi.enable`."""
        return self._power("switching Wi-Fi on", lambda radio: radio.switch_on(), callback)

    def disable(self, callback: Callback | None = None) -> Self:
        """Switch the radio off. Servers and UDP sockets resume when it is enabled again."""
        return self._power("switching Wi-Fi off", lambda radio: radio.switch_off(), callback)

    def is_connected(self) -> bool:
        """Return whether the radio has joined a network. With RADIO=host always True."""
        return self._radio is None or self._radio.link is LinkState.UP

    def is_busy(self) -> bool:
        """Return whether an operation, such as `connect` or `reset`, is in progress."""
        return self._busy > 0

    def is_enabled(self) -> bool:
        """Return whether the radio is on. With RADIO=host always True."""
        return self._radio is None or self._radio.link is not LinkState.OFF

    def connection(self) -> dict[str, object] | None:
        """Return `{event, connected, ssid, ip, dns, dhcp, gateway}`; None without a network."""
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
        """Return the six bytes of the MAC address; None before the radio was first on."""
        return None if self._radio is None else self._radio.mac

    def begun(self) -> Deferred[None]:
        """Return a Deferred that fires when the radio was switched on at first, or could not be."""
        begun: Deferred[None] = Deferred()
        if self._first is None:
            begun.callback(None)
        else:
            self._first.addCallback(begun.callback)
        return begun

    # Operations.

    def _ask(
        self, what: str, work: Callable[[IWifi], Deferred[None]], callback: Callback | None
    ) -> Self:
        """Join or leave a network: one at a time, and after pending power operations."""
        callback = arguments.callback_or_none(callback)
        if self._radio is not None and self._joining:
            text = "Previous wifi connect is in the middle of a call"
            self._asked_at = here()
            self._board.later(self._report, NodeError(text, "EBUSY"), callback)
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
        """Switch the power after pending power operations; a join under way fails."""
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
        """Report that RADIO=host has no Wi-Fi: the host's network is not managed here."""
        error = NodeError("RADIO=host has no Wi-Fi of its own", "ENOTSUP")
        if callback is not None:
            callback(error, None)
        elif self.listener_count("error"):
            self.emit("error", error)
        else:
            self._warn(f"{error}: the call is ignored", self._asked_at)

    def _begin(self, radio: IWifi) -> None:
        """Switch the radio on and join the network of the settings, as the Tessel at its start."""
        handle = self._board.handles.open("switching Wi-Fi on", self._asked_at)
        self._first = Deferred()
        beginning = self._board.network.ready().addErrback(self._no_network)
        beginning.addCallback(lambda _: radio.switch_on())
        beginning.addErrback(self._not_begun).addBoth(self._has_begun)
        beginning.addCallback(lambda _: self._board.next_tick(handle.close))

    def _no_network(self, failure: Failure) -> None:
        """Warn that no network was joined; the radio is on and tries again."""
        fault = failure.value
        if not isinstance(fault, NodeError) or fault.code != NetworkUnreachableError.code:
            failure.raiseException()
        else:
            self._not_joined(fault.hint or fault)

    def _not_begun(self, failure: Failure) -> None:
        """Warn of a failed start: to be without a network is no error of the program."""
        if isinstance(failure.value, NodeError | RadioError):
            self._warn(f"wifi: {failure.value}", self._asked_at)
        else:
            self._board.broken(failure)

    def _has_begun(self, _: object) -> None:
        first, self._first = self._first, None
        if not self._busy:  # else the running operation reports the state
            self._report_if_up()
        if first is not None:
            first.callback(None)

    def _report_if_up(self) -> None:
        """Emit `connect` if the radio is in a network and this was not reported."""
        if self._radio is not None and self._radio.link is LinkState.UP and not self._was_up:
            self._link_changed(LinkState.UP)

    def _run(
        self, what: str, work: Callable[[], Deferred[None]], callback: Callback | None
    ) -> None:
        self._busy += 1
        handle = self._board.handles.open(what, self._asked_at)

        def over(result: object) -> object:
            self._busy -= 1
            self._report_if_up()
            self._board.next_tick(handle.close)  # callbacks may open other handles before
            return result

        done = self.begun().addCallback(lambda _: work()).addBoth(over)
        done.addCallbacks(
            lambda _: self._succeeded(callback), lambda failure: self._failed(failure, callback)
        ).addErrback(self._board.broken)

    def _off_and_on(self, radio: IWifi) -> Deferred[None]:
        off: Deferred[None] = radio.switch_off()
        return off.addCallback(lambda _: radio.switch_on())

    def _succeeded(self, callback: Callback | None) -> None:
        if callback is not None:
            self._board.later(self._report_success, callback)

    def _report_success(self, callback: Callback) -> None:
        callback(None, self.connection())

    def _failed(self, failure: Failure, callback: Callback | None) -> None:
        if failure.check(TimeIsUp):
            self._board.later(self._report_timeout, callback)
        elif isinstance(failure.value, RadioError):
            error = NodeError(str(failure.value), failure.value.code)
            self._board.later(self._report, error, callback)
        else:
            self._board.broken(failure)

    def _report_timeout(self, callback: Callback | None) -> None:
        error = NodeError("The network was not joined in time", "ETIMEDOUT")
        error.hint = NOT_JOINED_HINT
        heard = self.emit("timeout", error)
        if callback is not None:
            callback(error, None)
        elif not heard:
            self._warn(f"wifi: {error}; {NOT_JOINED_HINT}", self._asked_at)

    def _report(self, error: NodeError, callback: Callback | None) -> None:
        """Call back with an error; without a callback, emit it."""
        if callback is not None:
            callback(error, None)
        else:
            self.opened_at = self._asked_at
            self.emit("error", error)

    def _not_joined(self, fault: Exception | str) -> None:
        """Warn that joining has failed. The radio tries again, and the program continues."""
        self._warn(f"wifi: no network: {fault}. The radio tries again", self._asked_at)

    def _link_changed(self, state: LinkState) -> None:
        if self._first is not None:
            return  # wait until the address is known, too
        was_up, self._was_up = self._was_up, state is LinkState.UP
        if state is LinkState.UP:
            self._board.call(self.emit, "connect", self.connection())
        elif was_up:
            self._board.call(self.emit, "disconnect")
