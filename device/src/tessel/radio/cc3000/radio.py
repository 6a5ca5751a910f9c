"""The CC3000 with a radio's interface: power and network, connections, ports, names."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from tessel.cc3000.bus import IBus
from tessel.cc3000.chip import Chip
from tessel.cc3000.errors import ChipError, CommandError
from tessel.cc3000.hci.fields import ANY_ADDRESS
from tessel.cc3000.hci.names import GetHostByName
from tessel.radio.cc3000.command_errors import name_error
from tessel.radio.cc3000.connections import Connections
from tessel.radio.cc3000.dns_question import DnsQuestion
from tessel.radio.cc3000.socket_context import TransferSizes
from tessel.radio.cc3000.stream import ChipStream
from tessel.radio.cc3000.supervisor import ChipSupervisor, WifiCredentials
from tessel.radio.interface import (
    AddressNotAvailableError,
    IRadio,
    IRadioPort,
    LinkState,
    NameNotFoundError,
    NetworkUnreachableError,
    NoSocketError,
    RadioError,
)

T = TypeVar("T")

_log = Logger(namespace="tessel.radio")


class NamesBy(Enum):
    """The ways to look a name up: by UDP from the network's name server, or by the chip."""

    UDP = auto()  # by questions to the network's name server, as the Tessel's firmware did
    CHIP = auto()  # by the chip, which does nothing else in the meantime


@implementer(IRadio)
class Cc3000Radio:
    """A radio that uses the sockets of a real or simulated CC3000."""

    ipv6 = False

    def __init__(
        self,
        bus: IBus,
        clock: IReactorTime,
        access_point: WifiCredentials | None = None,
        *,
        names_by: NamesBy = NamesBy.UDP,
        sizes: TransferSizes | None = None,
        owns: Callable[[object], bool] = lambda _: False,
    ) -> None:
        """Drive the chip on `bus`, which is off.

        `access_point` is the network to join, None for none until `supervisor.join`. `owns` says
        which objects that the reactor watches belong to the bus or to a simulated chip.
        """
        self.chip = Chip(bus, clock)
        self._clock = clock
        self._names_by = names_by
        self._owns = owns
        self._connections = Connections(self.chip, clock, sizes or TransferSizes())
        self.supervisor = ChipSupervisor(self.chip, access_point, clock, self._connections.cut)
        self.supervisor.watch(self._link_changed)

    @property
    def link(self) -> LinkState:
        return self.supervisor.link

    @property
    def connections_opened(self) -> int:
        return self._connections.opened

    def owns(self, selectable: object) -> bool:
        return self._owns(selectable)

    def power_on(self) -> Deferred[None]:
        """Start the chip and join its network, if it has one; see IRadio.power_on."""
        return _apart(self.supervisor.power_on(), lambda _: None)

    def power_off(self) -> Deferred[None]:
        """Switch the chip off, cut its connections and close its ports."""
        return Deferred.fromCoroutine(self._power_off())

    def suspend(self) -> Deferred[None]:
        """Switch the chip off and cut its connections.

        Its ports are kept, and opened again when there is a network again.
        """
        self.supervisor.power_off()
        self._connections.cut(NetworkUnreachableError("the radio is off"))
        return succeed(None)

    async def _power_off(self) -> None:
        self.supervisor.power_off()
        self._connections.end()

    def close(self) -> None:
        """Switch the chip off for good, and close the bus."""
        self.supervisor.power_off()
        self._connections.end()
        self.chip.driver.close()

    def _link_changed(self, state: LinkState) -> None:
        if state is LinkState.UP:
            self._connections.restore()

    def watch_link(self, changed: Callable[[LinkState], None]) -> Callable[[], None]:
        return self.supervisor.watch(changed)

    # Connections and ports.

    def connect(
        self, addresses: Sequence[str], port: int, factory: Callable[[], IProtocol]
    ) -> Deferred[IProtocol]:
        """Connect to the addresses one after the other; see IRadio.connect.

        Cancelling the Deferred does not stop the chip, which ends the connect that it has begun.
        """
        result: Deferred[IProtocol] = Deferred(lambda _: None)

        def connected(stream: ChipStream) -> None:
            if result.called:
                stream.decline()
                return
            protocol = factory()
            stream.carry(protocol)
            result.callback(protocol)

        dial = Deferred.fromCoroutine(self._dial(addresses, port, lambda: result.called))
        dial.addCallback(connected).addErrback(_fail_unless_cancelled, result)
        return result

    def connect_turn(self) -> Deferred[None]:
        """Return a Deferred that fires when no connect or look-up blocks the chip.

        A cancelled connect still blocks the chip until the chip gives up.
        """
        blocking = self._connections.blocking
        return blocking.acquire().addCallback(lambda _: blocking.release())

    async def _dial(
        self, addresses: Sequence[str], port: int, given_up: Callable[[], bool]
    ) -> ChipStream:
        """Connect to the first address that answers; the chip can try only one at a time."""
        first: RadioError | None = None
        for address in addresses:
            if given_up() or not _is_ipv4(address):
                continue
            self._check_link()
            try:
                return await _as_radio_errors(self._connections.dial(address, port, given_up))
            except RadioError as error:
                first = first or error
        raise first or AddressNotAvailableError(f"none of {addresses} is an IPv4 address")

    def listen(
        self, port: int, factory: Callable[[], IProtocol], *, address: str, backlog: int
    ) -> Deferred[IRadioPort]:
        """Accept TCP connections on a port of the chip; see IRadio.listen.

        `address` is "", "0.0.0.0" or the chip's own, else it fails with AddressNotAvailableError.
        """
        return _apart(self._listen(port, factory, address, backlog), _stop)

    async def _listen(
        self, port: int, factory: Callable[[], IProtocol], address: str, backlog: int
    ) -> IRadioPort:
        self._check_address(address)
        return await _as_radio_errors(self._connections.listen(port, factory, backlog))

    def bind_udp(
        self, port: int, protocol: DatagramProtocol, *, address: str
    ) -> Deferred[IRadioPort]:
        """Bind a UDP port of the chip; see IRadio.bind_udp. `address` is as for `listen`."""
        return _apart(self._bind_udp(port, protocol, address), _stop)

    async def _bind_udp(self, port: int, protocol: DatagramProtocol, address: str) -> IRadioPort:
        self._check_address(address)
        return await _as_radio_errors(self._connections.bind_udp(port, protocol))

    def _check_link(self) -> None:
        if self.link is not LinkState.UP:
            raise NetworkUnreachableError("Wifi is not connected")

    def _check_address(self, address: str) -> None:
        self._check_link()
        lease = self.chip.wlan.lease
        if address not in ("", ANY_ADDRESS, lease.address if lease else ""):
            raise AddressNotAvailableError(f"the chip does not have the address {address}")

    # Names.

    def lookup(self, name: str) -> Deferred[Sequence[str]]:
        """Look a name up by UDP or by the chip, as `names_by` chooses; see IRadio.lookup."""
        return _apart(self._lookup(name), lambda _: None)

    async def _lookup(self, name: str) -> Sequence[str]:
        self._check_link()
        try:
            encoded = name.encode("idna")
        except UnicodeError:
            raise NameNotFoundError(f"{name!r} is not a valid name") from None
        if not 0 < len(encoded) <= GetHostByName.LONGEST:
            raise NameNotFoundError(
                f"a name of {len(encoded)} bytes; allowed are 1 to {GetHostByName.LONGEST}"
            )
        lease = self.chip.wlan.lease
        if self._names_by is NamesBy.CHIP or lease is None or lease.name_server == ANY_ADDRESS:
            return await self._ask_chip(encoded)
        try:
            return await self._ask_server(name, lease.name_server)
        except NoSocketError:
            return await self._ask_chip(encoded)  # which needs no socket for it

    async def _ask_chip(self, name: bytes) -> Sequence[str]:
        blocking = self._connections.blocking
        await blocking.acquire()
        try:
            address = await _as_radio_errors(self.chip.sockets.host_by_name(name))
            if address == ANY_ADDRESS:  # as the first look-up of a chip may answer
                address = await _as_radio_errors(self.chip.sockets.host_by_name(name))
        except CommandError as fault:
            raise name_error(fault) from fault
        finally:
            blocking.release()
        if address == ANY_ADDRESS:
            raise NameNotFoundError(f"no address for {name.decode()}")
        return [address]

    async def _ask_server(self, name: str, server: str) -> Sequence[str]:
        question = DnsQuestion(name, server, self._clock, lambda: self.chip.driver.is_blocked)
        port = await _as_radio_errors(self._connections.bind_short_lived(question))
        try:
            return await question.answer
        finally:
            await port.stop()


async def _as_radio_errors(work: Coroutine[Deferred[object], object, T]) -> T:
    try:
        return await work
    except ChipError as error:
        raise NetworkUnreachableError(f"the chip is lost: {error}") from error


def _apart(work: Coroutine[Deferred[T], object, T], undo: Callable[[T], object]) -> Deferred[T]:
    """Run `work` to its end, with a result that can be cancelled: a chip ends what it has begun.

    `undo` receives the value of work whose result was cancelled.
    """
    result: Deferred[T] = Deferred(lambda _: None)

    def done(value: T) -> None:
        if result.called:
            undo(value)
        else:
            result.callback(value)

    Deferred.fromCoroutine(work).addCallback(done).addErrback(_fail_unless_cancelled, result)
    return result


def _fail_unless_cancelled(failure: Failure, result: Deferred[T]) -> None:
    if not result.called:
        result.errback(failure)
    elif not failure.check(RadioError):
        _log.failure("a cancelled operation failed", failure)


def _stop(port: IRadioPort) -> None:
    port.stop()  # its Deferred cannot fail


def _is_ipv4(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 4  # noqa: PLR2004
    except ValueError:
        return False
