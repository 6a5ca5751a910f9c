"""Without settings.py no socket goes around the tunnel; `install` may come after other imports."""

import tunneled
import socket  # isort: skip

from tessel_tunnel import Socket, Tunnel

try:
    socket.socket()
except OSError as error:
    print(error)
tunneled.install(Tunnel("h", 1, "t", "f"))
assert isinstance(socket.socket(), Socket)
