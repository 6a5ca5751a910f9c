"""Send a program's sockets through a tunnel by one import, before those of the program:

    import tunneled
    import requests               # or umqtt.simple, asyncio, socket: unchanged

The file settings.py names the proxy, as `tessel join --print micropython` writes it. Without it, or
without a TOKEN in it, `install` gets a tunnel that the program has made; before that, no socket can
be made.

    HOST = "proxy.example"
    PORT = 443
    TOKEN = "…"
    AUTHORITY = "authority.der"     # a path, or PEM text

It may also have WINDOWS and DEVICE (see Tunnel) and PROXY_TLS, a list of ports for which the proxy
does TLS with the target: it sees the plain text, and the board needs no memory for it.
"""

import sys

from micropython import const
from tessel_tunnel import Socket, Tunnel, _tls

_TLS = const(256)  # tessel_tunnel's flag: the proxy does TLS with the target
tunnel = None  # the installed one


def install(new, proxy_tls=()):
    """Let the sockets of the modules `socket` and `usocket` go through this tunnel."""
    global tunnel
    tunnel = new
    _sockets._tunnel = new
    _sockets._proxy_tls = proxy_tls
    if proxy_tls:
        for name in ("tls", "ssl", "ussl"):
            sys.modules[name] = _TlsModule(_tls)


async def serve(every_ms=200):
    """Serve the tunnel for ever: a task that answers pings while no socket is used."""
    from asyncio import sleep_ms

    while True:
        tunnel.poll()
        await sleep_ms(every_ms)


class _SocketModule:
    """What programs use of the module `socket`."""

    AF_INET = 2
    AF_INET6 = 10
    SOCK_STREAM = 1
    IPPROTO_TCP = 6
    SOL_SOCKET = 1
    SO_REUSEADDR = 2
    SO_KEEPALIVE = 9
    TCP_NODELAY = 1
    error = OSError

    _tunnel = None
    _proxy_tls = ()

    def socket(self, *args):
        if self._tunnel is None:  # a socket beside the tunnel would not be noticed
            raise OSError(
                "no tunnel: settings.py has no TOKEN, and tunneled.install was not called"
            )
        return _ByPort(self._tunnel, self._proxy_tls)

    def getaddrinfo(self, host, port, *args):
        """The proxy looks the name up."""
        return [(2, 1, 6, "", (host, port))]


class _ByPort(Socket):
    """A socket for which the target's port decides whether the proxy does TLS."""

    def __init__(self, tunnel, proxy_tls):
        super().__init__(tunnel, 0, tunnel.windows)
        self._proxy_tls = proxy_tls

    def connect(self, address):
        if address[1] in self._proxy_tls:
            self._flags = _TLS
        super().connect(address)


class _TlsModule:
    """The module `tls`, or `ssl`, for programs whose sockets may have TLS already."""

    def __init__(self, real):
        self._real = real

    def __getattr__(self, name):
        return getattr(self._real, name)

    def wrap_socket(self, socket, **options):
        return _secured(self._real, socket, options)

    def SSLContext(self, protocol):
        return _TlsContext(self._real.SSLContext(protocol))


class _TlsContext:
    """A context of the real module. Its settings do not reach a socket with TLS by the proxy."""

    def __init__(self, real):
        self._real = real
        self.verify_mode = real.verify_mode

    def load_verify_locations(self, *args, **options):
        self._real.load_verify_locations(*args, **options)

    def load_cert_chain(self, *args):
        self._real.load_cert_chain(*args)

    def wrap_socket(self, socket, **options):
        self._real.verify_mode = self.verify_mode
        return _secured(self._real, socket, options)


def _secured(real, socket, options):
    if isinstance(socket, Socket) and socket._flags & _TLS:
        return socket
    return real.wrap_socket(socket, **options)


def _from_settings():
    try:
        import settings
    except ImportError:
        return  # the program calls `install`
    if not getattr(settings, "TOKEN", None):
        return
    if not getattr(settings, "AUTHORITY", None):
        raise ValueError("settings.AUTHORITY: expected the path of the authority's certificate")
    made = Tunnel(
        settings.HOST,
        settings.PORT,
        settings.TOKEN,
        settings.AUTHORITY,
        getattr(settings, "WINDOWS", 1024),
        getattr(settings, "DEVICE", None),
    )
    install(made, getattr(settings, "PROXY_TLS", ()))


_sockets = sys.modules["socket"] = sys.modules["usocket"] = _SocketModule()
_from_settings()
