"""The chip as a Wi-Fi station: the access point that it has joined, and its address there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network

from twisted.internet.interfaces import IDelayedCall

from tessel.cc3000.hci.codes import Code, Security, WlanStatus
from tessel.cc3000.hci.events import DhcpDone, Keepalive, WlanConnected, WlanDisconnected
from tessel.cc3000.hci.fields import ANY_ADDRESS
from tessel.cc3000.hci.packets import EventPacket
from tessel.cc3000.hci.replies import Lease
from tessel.emulator.air import AccessPoint, Air
from tessel.emulator.latencies import Latencies
from tessel.emulator.nvmem import ChipMemory, SavedNetwork

_THIS_NETWORK = IPv4Network("0.0.0.0/8")  # RFC 1122, 3.2.1.3: never a destination
_GROUPS = IPv4Network("224.0.0.0/3")  # multicast, reserved addresses, and 255.255.255.255

NO_LEASE = Lease(*(ANY_ADDRESS,) * 5)
RETRY_S = 1.0
"""Seconds until the chip tries again to get an address. The time of a real chip is not known."""
_DHCP_FAILED = Code.FAILED & 0xFF  # an event's status; the value of a real chip is not known


class WifiStation:
    """The chip's Wi-Fi: joins the network that the host or the policy names.

    It also notices when the access point is lost.
    """

    def __init__(
        self,
        air: Air,
        nvmem: ChipMemory,
        latencies: Latencies,
        say: Callable[[EventPacket], None],
        lost: Callable[[], None],
    ) -> None:
        """`say` sends an event. `lost` is called when the link is lost, before that event."""
        self.status = WlanStatus.DISCONNECTED
        self.joined: AccessPoint | None = None
        self.lease: Lease | None = None
        self._air = air
        self._nvmem = nvmem
        self._latencies = latencies
        self._say = say
        self._lost = lost
        self._wanted: SavedNetwork | None = None
        self._step: IDelayedCall | None = None  # of joining
        self._renewal: IDelayedCall | None = None
        self._keepalive: IDelayedCall | None = None
        self._listen_no_more = air.listen_in(self._air_changed)

    @property
    def is_online(self) -> bool:
        """True if the chip has an IP address."""
        return self.lease is not None

    @property
    def name_server(self) -> str | None:
        """The address of the network's name server, None while the chip has no lease."""
        return None if self.lease is None else self.lease.name_server

    def is_own(self, host: str) -> bool:
        """Return True if packets to the address `host` stay in the simulated network.

        No host answers there. These are the chip's own address (it has no loopback), the first and
        the last address of its network, and 0.0.0.0/8.
        """
        address = IPv4Address(host)
        if address in _THIS_NETWORK:
            return True
        if self.lease is None:
            return False
        network = _network(self.lease)
        own = (IPv4Address(self.lease.address), network[0], network[-1])
        return address in own

    def can_dial(self, host: str) -> bool:
        """Return True if `host` may be the address of another host and is not multicast."""
        return not self.is_own(host) and IPv4Address(host) not in _GROUPS

    def connect(self, network: SavedNetwork) -> None:
        """Leave the current network, if any, and try to join `network`."""
        if self.joined is not None:
            self._leave()
        self._forget()
        self._wanted = network
        self._seek()

    def connect_by_policy(self) -> None:
        """Join a network that the stored policy names, if one is in range.

        Does nothing if the chip is in a network already.
        """
        if self.status is not WlanStatus.DISCONNECTED:
            return
        for network in self._by_policy():
            if self._heard(network) is not None:
                self._wanted = network
                self._seek()
                return

    def disconnect(self) -> bool:
        """Leave the network and return True, or return False if the chip is in none."""
        if self.status is WlanStatus.DISCONNECTED:
            return False
        self._leave()
        return True

    def address_changed(self) -> None:
        """Apply a changed static address from memory. Called after each change.

        It takes effect now if the chip is in a network, otherwise when it joins one.
        """
        if self.joined is not None:
            self._after(self._latencies.lease_s, self._ask_for_lease)

    def timers_changed(self) -> None:
        """Apply the timers in the chip's memory. Called after each change."""
        if self.joined is not None:
            self._plan_keepalive()
        if self.lease is not None:
            self._plan_renewal()

    def stop(self) -> None:
        """Leave the network without events. Called when the power is switched off."""
        self._listen_no_more()
        self._forget()

    # Joining.

    def _by_policy(self) -> Iterator[SavedNetwork]:
        policy, nvmem = self._nvmem.policy, self._nvmem
        if policy.last_used and nvmem.last_network is not None:
            yield nvmem.last_network
        if policy.profiles:
            best_first = sorted(nvmem.profiles.values(), key=lambda known: -known.priority)
            for known in best_first:
                yield SavedNetwork(known.ssid, known.security, known.key, known.bssid)
        if policy.any_open:
            for heard in self._air.access_points:
                if heard.security == Security.OPEN:
                    yield SavedNetwork(heard.ssid, Security.OPEN, b"")

    def _heard(self, network: SavedNetwork) -> AccessPoint | None:
        named = (
            heard
            for heard in self._air.access_points
            if heard.is_named(network.ssid, network.bssid)
        )
        return next(named, None)

    def _seek(self) -> None:
        """Join the network if it is in range. Otherwise search until it is."""
        if self._wanted is None or self._heard(self._wanted) is None:
            self.status = WlanStatus.SCANNING
            return
        self.status = WlanStatus.CONNECTING
        self._after(self._latencies.join_s, self._join)

    def _join(self) -> None:
        network = self._wanted
        heard = None if network is None else self._heard(network)
        if network is None or heard is None:
            self.status = WlanStatus.SCANNING
            return
        if not heard.lets_in(network.security, network.key):
            self._leave()
            return
        self.status, self.joined = WlanStatus.CONNECTED, heard
        self._nvmem.last_network = network
        self._say(WlanConnected().packet())
        self._plan_keepalive()
        self._after(self._latencies.lease_s, self._ask_for_lease)

    def _ask_for_lease(self) -> None:
        if self.joined is None:
            return
        lease = self._static_lease() or self.joined.lease
        if lease is None:
            self._say(DhcpDone(NO_LEASE, _DHCP_FAILED).packet())
            self._leave()
            self._after(RETRY_S, self.connect_by_policy)
            return
        if self.lease not in (None, lease):
            self._lost()  # connections from the old address are lost
        self.lease = lease
        self._say(DhcpDone(lease).packet())
        self._plan_renewal()

    def _static_lease(self) -> Lease | None:
        own = self._nvmem.address
        if own.address == ANY_ADDRESS:
            return None
        return Lease(own.address, own.mask, own.gateway, ANY_ADDRESS, own.name_server)

    # Leaving.

    def _air_changed(self) -> None:
        if self.joined is not None and self.joined not in self._air.access_points:
            self._leave()
        if self.status is WlanStatus.SCANNING:
            self._seek()
        else:
            self.connect_by_policy()

    def _leave(self) -> None:
        self._forget()
        self._lost()
        self._say(WlanDisconnected().packet())

    def _forget(self) -> None:
        self.status, self.joined, self.lease = WlanStatus.DISCONNECTED, None, None
        self._wanted = None
        for timer in (self._step, self._renewal, self._keepalive):
            _cancel(timer)
        self._step = self._renewal = self._keepalive = None

    # Timers.

    def _after(self, delay_s: float, step: Callable[[], None]) -> None:
        _cancel(self._step)
        self._step = self._air.clock.callLater(delay_s, self._stepped, step)

    def _stepped(self, step: Callable[[], None]) -> None:
        self._step = None
        step()

    def _plan_renewal(self) -> None:
        _cancel(self._renewal)
        self._renewal = None
        if self._nvmem.timers.dhcp_s:
            self._renewal = self._air.clock.callLater(self._nvmem.timers.dhcp_s, self._renew)

    def _renew(self) -> None:
        self._renewal = None
        self._ask_for_lease()

    def _plan_keepalive(self) -> None:
        _cancel(self._keepalive)
        self._keepalive = None
        if self._nvmem.timers.keepalive_s:
            self._keepalive = self._air.clock.callLater(
                self._nvmem.timers.keepalive_s, self._keep_alive
            )

    def _keep_alive(self) -> None:
        self._keepalive = None
        self._say(Keepalive().packet())
        self._plan_keepalive()


def _network(lease: Lease) -> IPv4Network:
    """Return a lease's network: one host if the mask is invalid, as a static one may be."""
    try:
        return IPv4Network((lease.address, lease.mask), strict=False)
    except ValueError:
        return IPv4Network(lease.address)


def _cancel(timer: IDelayedCall | None) -> None:
    if timer is not None:
        timer.cancel()
