"""`python -m lab.target_site`: a site for devices to connect to, which counts its connections.

It prints one line of JSON, {"listening": {service: port, ...}}, when all ports are open.
"""

import argparse
import json
import sys
from pathlib import Path

from twisted.internet import reactor, ssl
from twisted.internet.protocol import Factory
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.tls import TLSMemoryBIOFactory

from lab.target_site.ledger import Ledger, Tap
from lab.target_site.ports import FIXED_PORTS
from lab.target_site.raw import SERVICES
from lab.target_site.web import control_site, public_site


def main():
    asked = _arguments().parse_args()
    globalLogBeginner.beginLoggingTo(
        [textFileLogObserver(sys.stderr)], redirectStandardIO=False, discardBuffer=True
    )
    Factory.noisy = False  # the one line below reports all ports
    ledger = Ledger(asked.name)
    factories = {
        name: Tap(factory, ledger.service(name)) for name, factory in _services(asked, ledger)
    }
    factories["control"] = control_site(ledger)
    ports = FIXED_PORTS if asked.fixed_ports else dict.fromkeys(FIXED_PORTS, 0)
    listening = {
        name: reactor.listenTCP(ports[name], factory, interface=asked.host).getHost().port
        for name, factory in factories.items()
    }
    print(json.dumps({"listening": listening}), flush=True)
    reactor.run()


def _arguments():
    parser = argparse.ArgumentParser(prog="target_site", description=__doc__)
    parser.add_argument("--name", default="target", help="name of the site on its front page")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--certificate", type=Path, required=True, help="certificate chain for https, PEM"
    )
    parser.add_argument("--key", type=Path, required=True, help="private key for https, PEM")
    parser.add_argument(
        "--fixed-ports",
        action="store_true",
        help=f"listen on {FIXED_PORTS}; without it, on free ports",
    )
    return parser


def _services(asked, ledger):
    yield "http", public_site(asked.name, ledger.service("http"))
    pem = asked.certificate.read_bytes() + asked.key.read_bytes()
    context = ssl.PrivateCertificate.loadPEM(pem).options()
    https = public_site(asked.name, ledger.service("https"))
    yield "https", TLSMemoryBIOFactory(context, False, https)
    for name, protocol in SERVICES.items():
        yield name, Factory.forProtocol(protocol)


if __name__ == "__main__":
    main()
