"""Radios without hardware, on the real reactor."""

from support.fake_air import HOME
from tessel.cc3000.simulated import SimulatedBus
from tessel.emulator.air import Air
from tessel.emulator.emulated_chip import EmulatedChip
from tessel.emulator.profiles import PROFILES
from tessel.radio.cc3000 import Cc3000Radio, WifiCredentials
from tessel.radio.host import HostRadio
from tessel.radio.resolver_names import asked

HOST = "host"
SIMULATED = ("ideal", "cc3000")  # profiles without latencies


def radio_of(kind, reactor):
    """Return the host's radio for `HOST`, else a simulated chip with this profile."""
    return HostRadio(reactor) if kind == HOST else simulated(kind, reactor)


def simulated(profile, reactor):
    air = Air(reactor, lambda name: asked(name, reactor.nameResolver, reactor))
    air.appear(HOME)
    bus = SimulatedBus(EmulatedChip(air, PROFILES[profile], by_level=True))
    point = WifiCredentials(HOME.ssid, HOME.security, HOME.key)
    return Cc3000Radio(bus, reactor, point, owns=air.owns)
