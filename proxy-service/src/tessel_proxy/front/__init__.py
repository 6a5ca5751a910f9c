"""Accept connections of devices: the listening port, load balancers in front of it, and TLS.

`server_tls` and `tessel_1_tls` build the TLS that devices connect to, from certificate files that
are reloaded when they change. `ProxyProtocolFactory` reads the header of a load balancer.
"""

from tessel_proxy.front.balancers import ProxyProtocolFactory
from tessel_proxy.front.expiry import ExpiryWatch
from tessel_proxy.front.identity import TLSIdentity
from tessel_proxy.front.listening import IListeningReactor, listen, take_devices
from tessel_proxy.front.tls import ServerTLS, server_tls
from tessel_proxy.front.tls_tessel_1 import tessel_1_tls

__all__ = [
    "ExpiryWatch",
    "IListeningReactor",
    "ProxyProtocolFactory",
    "ServerTLS",
    "TLSIdentity",
    "listen",
    "server_tls",
    "take_devices",
    "tessel_1_tls",
]
