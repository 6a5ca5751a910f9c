"""A minute of comings and goings: after a warm-up, memory and descriptors no longer grow."""

import threading
import time
from random import Random

import pytest

from support.hardening.device import Device, connecting, data, end, opening
from support.hardening.growth import slope
from support.hardening.proxy import TOKEN

WARM_UP_SECONDS = 12.0
SECONDS = 50.0  # after the warm-up
DEVICES = 3
SUBSTREAMS = 12  # of one tunnel
MAX_GROWTH_OCTETS = 3 * 1024 * 1024  # in the whole time, by the line through all that was seen
MAX_OCTETS_EACH = 300  # for each substream: a record of it that is left has more
DESCRIPTORS_TOLERANCE = 1
LEAST_SUBSTREAMS = 3_000


class Comings:
    """Devices that come, use some substreams in all the ways there are, and go."""

    def __init__(self, port, context, site, seed):
        self._port, self._context, self._site = port, context, site
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(Random(f"{seed}:{number}"),))
            for number in range(DEVICES)
        ]
        self.substreams = self.tunnels = 0
        self.fault = None

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        for thread in self._threads:
            thread.join(30)

    def _run(self, random):
        try:
            while not self._stopping.is_set():
                self._visit(random)
        except Exception as fault:  # noqa: BLE001 -- told at the end
            self.fault = fault

    def _visit(self, random):
        with Device(self._port, self._context) as device:
            features = random.choice(([], ["reuse/1", "halfclose/1"]))
            device.authenticate(TOKEN, **({"features": features} if features else {}))
            for number in range(1, 1 + random.randrange(SUBSTREAMS * 2)):
                random.choice(USES)(self, device, 2 * number, random)
                self.substreams += 1
            self.tunnels += 1
            if random.random() < 0.3:
                device.reset()

    # --- uses of a substream

    def echo(self, device, channel, random):
        octets = bytes(random.choice((1, 1000, 100_000)))
        pieces = [octets[at : at + 65_532] for at in range(0, len(octets), 65_532)]
        device.send(connecting(channel, self._site["echo"]))
        device.send(*(data(channel, piece) for piece in pieces), end(channel))
        assert device.octets(channel, len(octets)) == octets
        assert device.events(channel)[-1] == "close"

    def download(self, device, channel, random):
        device.send(connecting(channel, self._site["source"]), data(channel, b"30000\n"))
        assert len(device.octets(channel, 30_000)) == 30_000
        device.send(end(channel))
        assert device.events(channel)[-1] == "close"

    def fail(self, device, channel, random):
        device.send(connecting(channel, 1))  # where nobody listens
        assert device.events(channel)[-1] == "close"

    def be_refused(self, device, channel, random):
        device.send(connecting(channel, 80, "169.254.169.254"))
        assert device.events(channel)[-1] == "close"

    def leave_open(self, device, channel, random):
        device.send(connecting(channel, self._site["trickle"]))

    def lead_nowhere(self, device, channel, random):
        device.send(opening(channel), data(channel, b"x" * 100))


USES = [
    *(Comings.echo, Comings.echo, Comings.download, Comings.fail, Comings.be_refused),
    *(Comings.leave_open, Comings.lead_nowhere),
]


@pytest.mark.timeout(300)  # a slow machine takes longer to settle; the soak itself is bounded
def test_a_minute_of_comings_and_goings_leaves_nothing_behind(
    proxy_with, bystander_of, context, site, seed
):
    proxy = proxy_with(OPENS_PER_S=100_000)  # that limit has tests of its own
    seen = []
    with bystander_of(proxy), Comings(proxy.port, context, site, seed) as comings:
        time.sleep(WARM_UP_SECONDS)
        first = comings.substreams
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and comings.fault is None:
            seen.append((comings.substreams - first, proxy.held.memory))
            time.sleep(0.5)
    assert comings.fault is None, repr(comings.fault)
    count = comings.substreams - first
    each = slope(seen)
    told = f"{comings.tunnels} tunnels, {count} substreams: {each:.0f} octets of memory for each"
    assert count > LEAST_SUBSTREAMS, f"too slow a machine to tell anything; {told}"
    assert each < MAX_OCTETS_EACH, told
    assert each * count < MAX_GROWTH_OCTETS, told
    proxy.settles(proxy.held_at_first.descriptors + DESCRIPTORS_TOLERANCE)
