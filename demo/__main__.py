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
from support.deployment.base import PROGRAM_SECONDS, finish
from support.deployment.local import ROOT, LocalDeployment
from support.watch import Watch

DOWNLOADS = 20
SOCKETS = 20
CHIP_SOCKETS = 4  # of the simulated chip, as of a real one


class DemoError(Exception):
    """Something did not go as the demo is to show it."""


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Terminated; everything is stopped."))
    with tempfile.TemporaryDirectory(prefix="tessel-demo-") as folder:
        try:
            with closing(LocalDeployment(Path(folder))) as system:
                show(system)
        except KeyboardInterrupt:
            return "\nInterrupted; everything is stopped."
        except (DemoError, RuntimeError, TimeoutError) as error:
            return f"\nThe demo failed; everything is stopped.\n{error}"
    print("\nEverything is stopped.")
    return 0


def show(system):
    introduce(system)
    three_pages(system)
    the_originals_sample(system)
    many_downloads(system)
    twenty_sockets_without_the_proxy(system)
    twenty_sockets_with_it(system)


def introduce(system):
    host, port = system.proxy_address
    print(f"The proxy listens on {host}:{port} and asks the token service about tokens.")
    for site in (system.far, system.near):
        print(f"The {site.name} site serves {site.url()} and {site.url(scheme='https')}")
    print(f"The device's settings: PROXY_TLS=end-to-end PROXY_LOCAL={system.near.host}")
    print(f"Its radio is a simulated CC3000 (RADIO=cc3000-sim), with {CHIP_SOCKETS} sockets.")


def three_pages(system):
    headline("A program visits three pages")
    urls = [system.far.url(), system.far.url(scheme="https"), system.near.url()]
    account = run(system, "demo/visits.py", *urls)
    expect(account, {("far", "http"): (0, 1), ("far", "https"): (0, 1), ("near", "http"): (1, 0)})


def the_originals_sample(system):
    headline("The original's sample asks a site for its own address")
    account = run(system, "examples/ipcalf.py", system.far.url("/?format=text"))
    expect(account, {("far", "http"): (0, 1)})


def many_downloads(system):
    headline(f"A program makes {DOWNLOADS} downloads at once")
    url = system.far.url("/download?octets=300000")
    account = run(system, "examples/parallel_downloads.py", url)
    expect(account, {("far", "http"): (0, DOWNLOADS)})


def twenty_sockets_without_the_proxy(system):
    headline(f"A program opens {SOCKETS} sockets at once, without the proxy")
    settings = {**settings_of(system), "PROXY_TOKEN": ""}
    place = (system.near.host, system.near.ports["echo"])
    shown = finished(system, settings, "demo/twenty_sockets.py", *place)
    expect_lines(shown, f"{CHIP_SOCKETS} of {SOCKETS} sockets stand.")
    expect_lines(shown, f"{SOCKETS - CHIP_SOCKETS} times: ENOENT: Cannot open another socket.")
    print("* So much for the chip: past its few sockets the runtime has nothing to open.")


def twenty_sockets_with_it(system):
    headline(f"The same program opens its {SOCKETS} sockets through the proxy")
    with tempfile.NamedTemporaryFile(prefix="tessel-demo-") as trace:
        options = ("--trace-spi", trace.name)
        place = (system.far.host, system.far.ports["echo"])
        account = run(system, "demo/twenty_sockets.py", *place, options=options)
        expect(account, {("far", "echo"): (0, SOCKETS)})
        explained = finish(system.start(["tessel", "radio", "decode", trace.name], {}), 60).stdout
    opened = explained.count("host: OpenSocket(")
    print(f"* By the trace of the chip's bus it was asked for {opened} socket.")
    if opened != 1:
        raise DemoError(f"the chip was asked for {opened} sockets")


def expect_lines(shown, line):
    if line not in shown.splitlines():
        raise DemoError(f"expected: {line}\nseen:\n{shown}")


def headline(text):
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def run(system, program, *args, options=()):
    """Run it on the device, print what it printed, and what others saw of it."""
    watch = Watch(system)
    settings = settings_of(system)
    finished(system, settings, program, *args, options=options)
    account = Account.of(watch, (system.far, system.near))
    tell(account, settings)
    return account


def settings_of(system):
    return {
        **system.device_settings(),
        "PROXY_LOCAL": system.near.host,
        "PROXY_TLS": "end-to-end",
    }


def finished(system, settings, program, *args, options=()):
    """What it printed, which is printed here, too."""
    words = [*options, str(ROOT / program), *map(str, args)]
    done = finish(system.start(["tessel", "run", *words], settings), PROGRAM_SECONDS)
    print(f"$ tessel run {' '.join((program, *map(str, args)))}\n{done.stdout}", end="")
    if done.exit_code != 0:
        raise DemoError(f"{program} ended with exit code {done.exit_code}\n{done.stderr}")
    return done.stdout


def tell(account, settings):
    for way in account.ways:
        print(f"* The {way.site} site counted {way.counted} to {way.target} ({way.service}),")
        relayed = f"of which the proxy logged {way.relayed.total()}"
        if way.direct:
            print(f"  {relayed}: directly, as PROXY_LOCAL={settings['PROXY_LOCAL']} names it.")
        elif way.service == "https":
            print(f"  {relayed}: through the tunnel, and the proxy carried TLS it cannot read.")
        else:
            print(f"  {relayed}: through the tunnel, as PROXY_LOCAL does not name it.")
    print(f"* The proxy logged {account.tunnels} tunnel, shared by {account.relayed} connections.")
    print(
        f"* TCP connections the device opened in all: {account.tunnels + account.direct},"
        f" {account.tunnels} to the proxy and {account.direct} to sites."
    )


def expect(account, ways):
    """Each way with its connections, directly and relayed; and one tunnel."""
    seen = {(way.site, way.service): (way.direct, way.relayed.total()) for way in account.ways}
    if seen != ways or account.tunnels != 1:
        raise DemoError(f"expected one tunnel and {ways}; seen {account.tunnels} and {seen}")


if __name__ == "__main__":
    sys.exit(main())
