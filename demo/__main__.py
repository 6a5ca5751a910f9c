"""`make demo`: run a device, a proxy, a token service and two sites on loopback, and show routes.

Every sentence about the route of a connection is computed from the counts of the sites and the log
of the proxy, not from the output of the device.
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
CHIP_SOCKETS = 4  # sockets of the simulated chip, as of a real one
FAILED = 1
SIGNAL_EXIT = 128  # exit code 128 + N: ended by signal N, as shells report it


class DemoError(Exception):
    """A result differs from the one that the demo is meant to show."""


class Terminated(Exception):  # noqa: N818 - it is no error
    """The process received SIGTERM."""


def main():
    """Run the demo; return the exit code."""
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
    """Starts the system and shows the scenes."""

    def __init__(self, screen, folder):
        self._screen = screen
        self._folder = folder
        self._part = ""
        self._exported = {}  # settings that all programs share; they are shown once

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
            self._sample_for_the_board,
            self._sample_in_python,
            self._three_pages,
            self._many_downloads,
            self._twenty_sockets_without_the_proxy,
            self._twenty_sockets_through_the_proxy,
        ]
        for number, scene in enumerate(scenes, 1):
            self._part = f"part {number} of {len(scenes)}"
            scene()

    def _introduce(self):
        system, say = self._system, self._screen.say
        host, port = system.proxy_address
        say(f"The proxy listens on {host}:{port} and checks tokens with the token service.")
        for site in (system.far, system.near):
            say(f"The {site.name} site serves {site.url()} and {site.url(scheme='https')}")
        say(f"The device has a simulated CC3000 radio with {CHIP_SOCKETS} sockets.")
        say("All programs on the device get these settings:")
        self._exported = {
            **system.device_settings(),
            "PROXY_LOCAL": system.near.host,
            "PROXY_TLS": "end-to-end",
        }
        self._screen.command(["export", *(f"{n}={x}" for n, x in self._exported.items())], {})

    # The scenes.

    def _sample_for_the_board(self):
        self._screen.headline("The sample of the original project, in the board's JavaScript")
        self._screen.say("It asks a site for the address that the site sees.")
        self._sample("examples/ipcalf.js")

    def _sample_in_python(self):
        self._screen.headline("The same sample in Python")
        self._sample("examples/ipcalf.py")

    def _sample(self, program):
        account = self._account(program, self._system.far.url("/?format=text"))
        expect(account, {("far", "http"): (0, 1)})

    def _three_pages(self):
        system = self._system
        self._screen.headline("A program requests three pages")
        urls = [system.far.url(), system.far.url(scheme="https"), system.near.url()]
        account = self._account("demo/visits.py", *urls)
        expect(
            account, {("far", "http"): (0, 1), ("far", "https"): (0, 1), ("near", "http"): (1, 0)}
        )

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
        self._screen.note(f"The chip has {CHIP_SOCKETS} sockets and refuses to open more.")

    def _twenty_sockets_through_the_proxy(self):
        self._screen.headline(f"The same program opens {SOCKETS} sockets through the proxy")
        trace = str(self._folder / "trace.txt")
        place = (self._system.far.host, self._system.far.ports["echo"])
        options = ("--trace-spi", trace)
        account = self._account("demo/twenty_sockets.py", *place, options=options)
        expect(account, {("far", "echo"): (0, SOCKETS)})
        decoded = self._finished(["tessel", "radio", "decode", trace], {}, show=lambda _text: None)
        opened = decoded.count("host: OpenSocket(")
        self._screen.note(
            f"According to the trace of its SPI bus, the chip opened {opened} socket."
        )
        if opened != 1:
            raise DemoError(f"expected: the chip opens 1 socket; seen: {opened}")

    # How they are shown.

    def _account(self, program, *args, options=()):
        """Run a program on the device, and show the routes of its connections."""
        watch = Watch(self._system)
        self._program(program, *args, options=options)
        account = Account.of(watch, (self._system.far, self._system.near))
        for sentence in sentences(account, self._exported["PROXY_LOCAL"]):
            self._screen.note(sentence)
        return account

    def _program(self, program, *args, options=(), settings=None):
        """Run a program on the device, show its output, and return it."""
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


def sentences(account, local):
    """Yield sentences about the routes of a program's connections."""
    for route in account.routes:
        yield (
            f"The {route.site} site counted {_connections(route.counted)} to {route.target} "
            f"({route.service}). The proxy's log has {route.relayed.total()} of them. Route: "
            f"{_reason(route, local)}."
        )
    yield (
        f"The proxy's log has {account.tunnels} tunnel, shared by {_connections(account.relayed)}."
    )
    yield (
        f"The device opened {_connections(account.tunnels + account.direct, 'TCP ')}: "
        f"{account.tunnels} to the proxy and {account.direct} to sites."
    )


def _connections(count, kind=""):
    return f"{count} {kind}connection{'' if count == 1 else 's'}"


def _reason(route, local):
    if route.direct:
        return f"direct, because PROXY_LOCAL={local} includes the site"
    if route.service == "https":
        return "through the tunnel, encrypted from device to site, so that the proxy cannot read it"
    return "through the tunnel, because PROXY_LOCAL does not include the site"


def expect_lines(shown, line):
    """Raise DemoError if the output does not have this line."""
    if line not in shown.splitlines():
        raise DemoError(f"expected: {line}\nseen:\n{shown}")


def expect(account, routes):
    """Raise DemoError unless there was one tunnel, and these numbers of connections.

    `routes` has for each site and service the numbers of direct and of relayed connections.
    """
    seen = {
        (route.site, route.service): (route.direct, route.relayed.total())
        for route in account.routes
    }
    if seen != routes or account.tunnels != 1:
        raise DemoError(f"expected: 1 tunnel, {routes}; seen: {account.tunnels}, {seen}")


if __name__ == "__main__":
    sys.exit(main())
