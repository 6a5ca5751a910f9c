"""remote.py HOST PORT: connects, by TLS if PROXY_TRUSTED is set; prints the remote address."""

import os
import sys

from tessel import net, tls

host, port = sys.argv[1:]
connect = tls.connect if "PROXY_TRUSTED" in os.environ else net.connect


def connected():
    print(socket.remote_address, socket.remote_port)
    socket.destroy()


socket = connect({"host": host, "port": int(port)}, connected)
