"""The radio of an emulated CC3000 with a fake network."""

from twisted.internet.protocol import Protocol

from support.driven_chip import Joined
from support.fake_air import HOME
from tessel.radio.cc3000 import Cc3000Radio, WifiCredentials

OURS = WifiCredentials(HOME.ssid, HOME.security, HOME.key)


class Talk(Protocol):
    """Records received bytes; `lost` is the reason of the end."""

    def __init__(self):
        self.received = b""
        self.lost = None

    def dataReceived(self, data):
        self.received += data

    def connectionLost(self, reason=None):
        assert self.lost is None
        self.lost = reason.value


class Radio(Joined):
    def __init__(self, quirks=None, access_point=OURS, *, on=True, **options):
        super().__init__(quirks, boot=False)
        self.radio = Cc3000Radio(self.bus, self.machine, access_point, **options)
        self.chip = self.radio.chip
        self.links = []
        self.radio.watch_link(self.links.append)
        if on:
            self.now(self.radio.power_on())

    def dial(self, *addresses, factory=Talk):
        return self.begin(self.radio.connect(addresses or ["192.0.2.7"], 80, factory))

    def connected(self, factory=Talk):
        """Connect; return the protocol and the peer's transport."""
        results = self.dial(factory=factory)
        self.settle(0.02)
        peer = self.machine.answer_dial()
        self.settle(0.02)
        return results[0], peer
