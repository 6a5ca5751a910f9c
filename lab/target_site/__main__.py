"""`python -m lab.target_site`: a site for devices to visit, which counts its visitors.

Writes one line of JSON, {"listening": {service: port, ...}}, when all of it listens.
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
from lab.target_site.web import control_site, visitors_site


def main():
    asked = _arguments().parse_args()
    globalLogBeginner.beginLoggingTo(
        [textFileLogObserver(sys.stderr)], redirectStandardIO=False, discardBuffer=True
    )
    Factory.noisy = False  # that each port was opened is told in one line, below
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
    parser.add_argument("--name", default="target")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--certificate", type=Path, required=True, help="chain of https, PEM")
    parser.add_argument("--key", type=Path, required=True, help="its private key, PEM")
    parser.add_argument("--fixed-ports", action="store_true", help=f"listen on {FIXED_PORTS}")
    return parser


def _services(asked, ledger):
    yield "http", visitors_site(asked.name, ledger.service("http"))
    pem = asked.certificate.read_bytes() + asked.key.read_bytes()
    context = ssl.PrivateCertificate.loadPEM(pem).options()
    https = visitors_site(asked.name, ledger.service("https"))
    yield "https", TLSMemoryBIOFactory(context, False, https)
    for name, protocol in SERVICES.items():
        yield name, Factory.forProtocol(protocol)


if __name__ == "__main__":
    main()
