"""`make demo`: token service, two sites and a proxy on loopback, and a device that uses them.

Every sentence about the way of a connection is computed from what the sites counted and the proxy
logged; the device is not asked.
"""

import signal
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from demo.account import Account
from demo.follow import follow
from demo.screen import Screen
from lab.deployment.base import PROGRAM_SECONDS
from lab.deployment.local import ROOT, LocalDeployment
from lab.watch import Watch

DOWNLOADS = 20
SOCKETS = 20
CHIP_SOCKETS = 4  # of the simulated chip, as of a real one
FAILED = 1
SIGNAL_EXIT = 128  # a shell's way to say which signal ended a process


class DemoError(Exception):
    """Something did not go as the demo is to show it."""


class Terminated(Exception):  # noqa: N818 - it is no error
    """SIGTERM came."""


def main():
    signal.signal(signal.SIGTERM, _terminate)
    screen = Screen(sys.stdout)
    try:
        with tempfile.TemporaryDirectory(prefix="tessel-demo-") as folder:
            Demo(screen, Path(folder)).run()
    except (KeyboardInterrupt, Terminated) as end:
        screen.complaint("\nInterrupted. Everything is stopped.")
        number = signal.SIGTERM if isinstance(end, Terminated) else signal.SIGINT
        return SIGNAL_EXIT + number
    except (DemoError, RuntimeError, TimeoutError) as error:
        screen.complaint(f"\nThe demo failed. Everything is stopped.\n{error}")
        return FAILED
    screen.note("Everything is stopped.")
    return 0


def _terminate(_number, _frame):
    raise Terminated


class Demo:
    """The system, and six scenes on it."""

    def __init__(self, screen, folder):
        self._screen = screen
        self._folder = folder
        self._part = ""
        self._exported = {}  # the settings of all programs, which are shown once

    def run(self):
        self._screen.headline("The services start")
        with self._screen.progress("Starting the services"):
            system = LocalDeployment(self._folder, self._announce)
        with closing(system):
            self._show(system)
            self._screen.say("")

    def _announce(self, command_line, settings):
        new = {name: x for name, x in settings.items() if self._exported.get(name) != x}
        self._screen.command(map(_from_root, command_line), _all_from_root(new))

    def _show(self, system):
        self._system = system
        self._introduce()
        scenes = [
            self._three_pages,
            self._the_originals_sample,
            self._many_downloads,
            self._twenty_sockets_without_the_proxy,
            self._twenty_sockets_with_it,
        ]
        for number, scene in enumerate(scenes, 1):
            self._part = f"part {number} of {len(scenes)}"
            scene()

    def _introduce(self):
        system, say = self._system, self._screen.say
        host, port = system.proxy_address
        say(f"The proxy listens on {host}:{port} and asks the token service about tokens.")
        for site in (system.far, system.near):
            say(f"The {site.name} site serves {site.url()} and {site.url(scheme='https')}")
        say(f"The device's radio is a simulated CC3000, with {CHIP_SOCKETS} sockets.")
        say("All of the device's programs have these settings:")
        self._exported = {
            **system.device_settings(),
            "PROXY_LOCAL": system.near.host,
            "PROXY_TLS": "end-to-end",
        }
        self._screen.command(["export", *(f"{n}={x}" for n, x in self._exported.items())], {})

    # The scenes.

    def _three_pages(self):
        system = self._system
        self._screen.headline("A program visits three pages")
        urls = [system.far.url(), system.far.url(scheme="https"), system.near.url()]
        account = self._account("demo/visits.py", *urls)
        expect(
            account, {("far", "http"): (0, 1), ("far", "https"): (0, 1), ("near", "http"): (1, 0)}
        )

    def _the_originals_sample(self):
        self._screen.headline("The original's sample asks a site for its own address")
        account = self._account("examples/ipcalf.py", self._system.far.url("/?format=text"))
        expect(account, {("far", "http"): (0, 1)})

    def _many_downloads(self):
        self._screen.headline(f"A program makes {DOWNLOADS} downloads at once")
        url = self._system.far.url("/download?bytes=300000")
        account = self._account("examples/parallel_downloads.py", url)
        expect(account, {("far", "http"): (0, DOWNLOADS)})

    def _twenty_sockets_without_the_proxy(self):
        self._screen.headline(f"A program opens {SOCKETS} sockets at once, without the proxy")
        place = (self._system.near.host, self._system.near.ports["echo"])
        shown = self._program("demo/twenty_sockets.py", *place, settings={"PROXY_TOKEN": ""})
        expect_lines(shown, f"{CHIP_SOCKETS} of {SOCKETS} sockets are connected.")
        expect_lines(shown, f"{SOCKETS - CHIP_SOCKETS} times: ENOENT: Cannot open another socket.")
        self._screen.note(f"The chip has {CHIP_SOCKETS} sockets: it refuses to open more.")

    def _twenty_sockets_with_it(self):
        self._screen.headline(f"The same program opens its {SOCKETS} sockets through the proxy")
        trace = str(self._folder / "trace.txt")
        place = (self._system.far.host, self._system.far.ports["echo"])
        options = ("--trace-spi", trace)
        account = self._account("demo/twenty_sockets.py", *place, options=options)
        expect(account, {("far", "echo"): (0, SOCKETS)})
        decoded = self._finished(["tessel", "radio", "decode", trace], {}, show=lambda _text: None)
        opened = decoded.count("host: OpenSocket(")
        self._screen.note(f"By the trace of the chip's bus it was asked for {opened} socket.")
        if opened != 1:
            raise DemoError(f"the chip was asked for {opened} sockets")

    # How they are shown.

    def _account(self, program, *args, options=()):
        """Run it on the device, and say what others saw of it."""
        watch = Watch(self._system)
        self._program(program, *args, options=options)
        account = Account.of(watch, (self._system.far, self._system.near))
        for sentence in told(account, self._exported["PROXY_LOCAL"]):
            self._screen.note(sentence)
        return account

    def _program(self, program, *args, options=(), settings=None):
        """What it printed, which is shown as it comes."""
        words = ["tessel", "run", *options, str(ROOT / program), *map(str, args)]
        return self._finished(words, settings or {}, show=self._screen.output)

    def _finished(self, words, settings, show):
        running = self._system.start(words, self._exported | settings)
        with self._screen.progress(f"The program runs ({self._part})"):
            done = follow(running, show, self._screen.complaint, PROGRAM_SECONDS)
        if done.exit_code != 0:
            raise DemoError(f"{' '.join(words)} ended with exit code {done.exit_code}")
        return done.stdout


def _from_root(word):
    return word.replace(f"{ROOT}/", "")


def _all_from_root(settings):
    return {name: _from_root(value) for name, value in settings.items()}


def told(account, local):
    """Sentences about the ways that a program's connections took."""
    for way in account.ways:
        yield (
            f"The {way.site} site counted {_connections(way.counted)} to {way.target} "
            f"({way.service}), of which the proxy logged {way.relayed.total()}: "
            f"{_reason(way, local)}."
        )
    yield f"The proxy logged {account.tunnels} tunnel, shared by {_connections(account.relayed)}."
    yield (
        f"TCP connections the device opened in all: {account.tunnels + account.direct}, "
        f"{account.tunnels} to the proxy and {account.direct} to sites."
    )


def _connections(count):
    return "1 connection" if count == 1 else f"{count} connections"


def _reason(way, local):
    if way.direct:
        return f"directly, as PROXY_LOCAL={local} names it"
    if way.service == "https":
        return "through the tunnel, and the proxy carried TLS that it cannot read"
    return "through the tunnel, as PROXY_LOCAL does not name it"


def expect_lines(shown, line):
    if line not in shown.splitlines():
        raise DemoError(f"expected: {line}\nseen:\n{shown}")


def expect(account, ways):
    """Each way with its connections, directly and relayed; and one tunnel."""
    seen = {(way.site, way.service): (way.direct, way.relayed.total()) for way in account.ways}
    if seen != ways or account.tunnels != 1:
        raise DemoError(f"expected one tunnel and {ways}; seen {account.tunnels} and {seen}")


if __name__ == "__main__":
    sys.exit(main())
