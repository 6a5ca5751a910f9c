"""The board: composes radio, network, tunnel, and the runtime of `tessel.node`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.logger import Logger

from tessel.errors import BoardError, NodeError
from tessel.network.chip import ChipNetwork
from tessel.network.direct import DirectNetwork
from tessel.network.interface import ProtocolFactory, Target, TlsOptions
from tessel.network.routed import JoinedNetworks, NoWatcher, RoutedNetwork
from tessel.network.tunneled import TunneledNetwork
from tessel.node.base import runtime
from tessel.node.base.handles import Handles
from tessel.node.base.runtime import Runtime
from tessel.radio.host import IHostReactor
from tessel.radio.interface import IRadio, IWifi, RadioError
from tessel.radio_factory import BoardRadio, BusWrap, chosen
from tessel.settings import Settings
from tessel_service_kit.texts import counted

log = Logger(namespace="tessel")


class Board:
    """A simulated device: its radio, its network with the tunnel, and the runtime of `tessel.node`.

    The board reads its settings from the live `environ` and switches its radio on when the program
    first needs the network.
    """

    def __init__(
        self,
        reactor: IHostReactor,
        environ: Mapping[str, str],
        random: Callable[[], float],
        *,
        uncaught: Callable[[BaseException], None],
        idle: Callable[[], None] = lambda: None,
        clock: IReactorTime | None = None,
        wrap_bus: BusWrap = lambda bus: bus,
    ) -> None:
        """Create a board without power.

        Args:
            reactor: for sockets and threads.
            environ: the live environment.
            random: numbers from 0 to 1, for the backoff.
            uncaught: called with each exception of the program's callbacks.
            idle: called whenever nothing keeps the program alive any more.
            clock: for timers; the reactor by default.
            wrap_bus: wraps the chip's bus, for traces.

        """
        self._reactor = reactor
        self._environ = environ
        self._random = random
        self._clock = clock or reactor
        self._wrap_bus = wrap_bus
        self._chosen: BoardRadio | None = None
        self.handles = Handles(idle)
        self._network = RoutedNetwork(self._join)
        self.runtime = Runtime(self._clock, self._network, self.handles, uncaught, self._wifi)

    @property
    def radio(self) -> IRadio | None:
        """The device's radio; None until the program first needs the network."""
        return self._chosen.radio if self._chosen is not None else None

    def power_on(self) -> None:
        """Make `tessel.net` and the other modules use this board.

        The radio stays off until the network is needed. Raises BoardError if another board is on.
        """
        if runtime.is_on():
            raise BoardError("another board is on; a program can have only one")
        runtime.install(self.runtime)

    def owns(self, selectable: object) -> bool:
        """Return whether this reader or writer of the reactor belongs to the device's radio."""
        return self.radio is not None and self.radio.owns(selectable)

    async def finish(self) -> None:
        """Close idle connections cleanly, then the tunnel, then switch the radio off.

        `tessel run` calls this when nothing keeps the program alive any more.
        """
        await self._network.finish()
        await self.power_off()

    async def power_off(self) -> None:
        """Close the tunnel, then switch the radio off.

        From now on `tessel.net` and the other modules have no board.
        """
        if runtime.is_on() and runtime.current() is self.runtime:
            runtime.install(None)
        await self._network.close()
        if self.radio is not None:
            log.debug(
                "the device opened {count} in all",
                count=counted(self.radio.connections_opened, "TCP connection"),
            )
            await self.radio.power_off()
        if self._chosen is not None:
            self._chosen.close()

    async def _join(self) -> JoinedNetworks:
        settings = Settings.from_env(self._environ)
        found = self._radio_of(settings)
        try:
            await found.radio.power_on()
        except RadioError as error:
            raise _not_connected(error) from error
        direct = self._direct(found)
        return JoinedNetworks(settings, direct, self._tunneled(settings, direct))

    def _direct(self, found: BoardRadio) -> DirectNetwork:
        if found.wifi is None:
            return DirectNetwork(found.radio, self._clock)
        return ChipNetwork(found.radio, self._clock, found.connect_turn)

    def _wifi(self) -> IWifi | None:
        return self._radio_of(Settings.from_env(self._environ)).wifi

    def _radio_of(self, settings: Settings) -> BoardRadio:
        """Return the radio; it is made once, so that a failure does not open its devices again."""
        if self._chosen is None:
            self._chosen = chosen(settings.radio, self._reactor, self._clock, self._wrap_bus)
        return self._chosen

    def _tunneled(self, settings: Settings, direct: DirectNetwork) -> TunneledNetwork | None:
        if settings.token is None:
            return None

        def dial(target: Target, factory: ProtocolFactory, tls: TlsOptions) -> Deferred[IProtocol]:
            return direct.connect_tls(target, factory, tls, NoWatcher())

        return TunneledNetwork(settings, dial, self._clock, self._random)


def _not_connected(error: RadioError) -> NodeError:
    unreachable = NodeError("ENETUNREACH: Wifi is not connected.", error.code)
    unreachable.hint = str(error)
    return unreachable


def power_on(
    reactor: IHostReactor,
    environ: Mapping[str, str],
    random: Callable[[], float],
    *,
    uncaught: Callable[[BaseException], None],
) -> Board:
    """Create a board, switch it on and return it, for programs that `tessel run` does not start.

    Use the reactor of `tessel_service_kit.reactor`: timers of Twisted's own reactors change with
    the system's clock. `random` returns numbers from 0 to 1, for the backoff. `uncaught` is called
    with each exception of the program's callbacks.

    Raises BoardError if another board is on.
    """
    board = Board(reactor, environ, random, uncaught=uncaught)
    board.power_on()
    return board
