"""The Wi-Fi of a radio, played by a test."""

from twisted.internet.defer import Deferred

from tessel.radio.interface import LinkState, WifiStatus

HOME = WifiStatus(
    ssid=b"home",
    address="192.0.2.5",
    gateway="192.0.2.1",
    dhcp_server="192.0.2.2",
    name_server="192.0.2.3",
)
CONNECTION = {
    "event": "status",
    "connected": True,
    "ssid": "home",
    "ip": "192.0.2.5",
    "dns": "192.0.2.3",
    "dhcp": "192.0.2.2",
    "gateway": "192.0.2.1",
}


class FakeWifi:
    """`asked` has what the program wanted, each with the answer that the test gives."""

    def __init__(self):
        self.link = LinkState.DOWN
        self.mac = b"\x08\x00\x28\x01\x02\x03"
        self.asked = []
        self._watchers = []

    def watch_link(self, changed):
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed)

    def watch_trouble(self, told):
        self.trouble = told
        return lambda: None

    def move(self, state):
        self.link = state
        for watcher in self._watchers:
            watcher(state)

    def status(self):
        return HOME if self.link is LinkState.UP else None

    def join(self, ssid, security, key):
        return self._ask("join", ssid, security, key)

    def leave(self):
        return self._ask("leave")

    def switch_on(self):
        return self._ask("switch_on")

    def switch_off(self):
        return self._ask("switch_off")

    def answer(self):
        self.asked.pop(0)[-1].callback(None)

    def refuse(self, error):
        self.asked.pop(0)[-1].errback(error)

    def _ask(self, *what):
        self.asked.append((*what, Deferred()))
        return self.asked[-1][-1]
