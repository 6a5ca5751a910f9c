"""Half a minute of opening and closing: after a warm-up, memory and descriptors do not grow.

`--soak-s` sets the duration.
"""

import threading
import time
from random import Random

import pytest

from support.hardening.device import Device, connecting, data, end, opening
from support.hardening.growth import slope
from support.hardening.proxy import TOKEN

WARM_UP_SHARE = 1 / 3
LONGEST_WARM_UP_S = 15.0
MOST_EXTRA_S = 60.0  # for a machine that has other things to do as well
DEVICES = 3
SUBSTREAMS = 12  # of one tunnel
# By the line through all that was seen:
MAX_GROWTH_BYTES = 6 * 1024 * 1024  # in the whole time
MAX_BYTES_EACH = 300  # for each substream: a record of it that is left has more
# High water comes now and then for a minute, and is not given back: with reads of 256 KiB, 3.7 MiB
# was seen in the half minute that is the default, and 5 MiB in 75,000 substreams, less and less for
# each. A leak of some 350 bytes is visible; a longer soak is sharper.
NOISE_BYTES = 5 * 1024 * 1024
DESCRIPTORS_TOLERANCE = 1
LEAST_SUBSTREAMS = 2_000  # so that what is left of each would stand out of the noise


class Comings:
    """Devices that connect, use substreams in all ways, and disconnect."""

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
        content = bytes(random.choice((1, 1000, 100_000)))
        pieces = [content[at : at + 65_532] for at in range(0, len(content), 65_532)]
        device.send(connecting(channel, self._site["echo"]))
        device.send(*(data(channel, piece) for piece in pieces), end(channel))
        assert device.read_bytes(channel, len(content)) == content
        assert device.events(channel)[-1] == "close"

    def download(self, device, channel, random):
        device.send(connecting(channel, self._site["source"]), data(channel, b"30000\n"))
        assert len(device.read_bytes(channel, 30_000)) == 30_000
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


@pytest.fixture(autouse=True)
def time_to_settle(request, soak_s):
    """Set a timeout for slow machines; the soak itself is limited."""
    request.node.add_marker(pytest.mark.timeout(soak_s + 180))


@pytest.fixture
def comings_to(context, site, seed):
    return lambda proxy: Comings(proxy.port, context, site, seed)


def test_after_many_comings_and_goings_nothing_is_left_behind(
    proxy_with, bystander_of, comings_to, soak_s
):
    proxy = proxy_with(OPENS_PER_S=100_000)  # that limit has tests of its own
    warm_up_s = min(soak_s * WARM_UP_SHARE, LONGEST_WARM_UP_S)
    seen = []
    with bystander_of(proxy), comings_to(proxy) as comings:
        began = time.monotonic()
        time.sleep(warm_up_s)
        first = comings.substreams
        while is_going_on(comings, first, began + soak_s) and comings.fault is None:
            seen.append((comings.substreams - first, proxy.held.memory))
            time.sleep(0.5)
    assert comings.fault is None, repr(comings.fault)
    count = comings.substreams - first
    each = slope(seen)
    told = f"{comings.tunnels} tunnels, {count} substreams: {each:.0f} bytes of memory for each"
    assert count >= LEAST_SUBSTREAMS, f"the machine is too slow for a result; {told}"
    assert each < MAX_BYTES_EACH or each * count < NOISE_BYTES, told
    assert each * count < MAX_GROWTH_BYTES, told
    proxy.settles(proxy.held_at_first.descriptors + DESCRIPTORS_TOLERANCE)


def is_going_on(comings, first, deadline):
    """Return whether time is left, or a slow machine has not done enough yet."""
    now = time.monotonic()
    too_few = comings.substreams - first < LEAST_SUBSTREAMS
    return now < deadline or (too_few and now < deadline + MOST_EXTRA_S)
