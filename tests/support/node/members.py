"""The members of the device's classes and modules, compared with Node's (`members.js`)."""

import re

from support.fake_board import powered_board
from tessel.node import dgram, dns, events, http, https, net, stream, timers, tls

MODULES = (dgram, dns, events, http, https, net, stream, timers, tls)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def python_name(name):
    """Return Node's name as in Python: `setTimeout` -> `set_timeout`. Others stay."""
    if name.startswith("isIP"):
        return name.replace("isIP", "is_ip")
    if re.fullmatch(r"[A-Z][A-Z_]+|[A-Z][A-Za-z]*", name):
        return name
    words = re.findall(r"TLSA|[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[A-Z]", name)
    return "_".join(words).lower()


def on_device():
    """Return {class: names}, in the classes' order."""
    with powered_board() as board:
        found = {name: _members(one) for name, one in _instances(board).items()}
    for module in MODULES:
        names = getattr(module, "__all__", None) or [n for n in dir(module) if n[0] != "_"]
        found[module.__name__.rpartition(".")[2]] = set(names)
    return found


def _instances(board):
    exchanges = []
    server = http.create_server(lambda *exchange: exchanges.append(exchange)).listen(0)
    board.run()
    board.accept().send(GET)
    request, response = exchanges[0]
    client = http.request("http://a/").end()
    client.on("error", lambda _: None)
    return {
        "events.EventEmitter": events.EventEmitter(),
        "stream.Readable": stream.Readable(),
        "stream.Writable": stream.Writable(),
        "stream.Duplex": stream.Duplex(),
        "net.Socket": net.Socket(),
        "net.Server": net.create_server(),
        "tls.TLSSocket": tls.TLSSocket(),
        "dgram.Socket": dgram.create_socket("udp4"),
        "http.Agent": http.Agent(),
        "http.ClientRequest": client,
        "http.IncomingMessage": request,
        "http.Server": server,
        "http.ServerResponse": response,
        "https.Agent": https.Agent(),
        "timers.Timeout": timers.set_timeout(lambda: None, 1),
        "timers.Immediate": timers.set_immediate(lambda: None),
    }


def _members(one):
    return {name for name in dir(one) if not name.startswith("_")}


def missing(nodes):
    """Return {class: names that Node has and the device does not}."""
    ours = on_device()
    return {
        where: sorted(name for name in names if python_name(name) not in ours[where])
        for where, names in nodes.items()
    }
