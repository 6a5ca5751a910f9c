"""The gateway: lets programs that know nothing of the device use its network.

`GatewayRun` listens for SOCKS and HTTP proxy requests; `StdioRun` joins one connection to standard
input and output. Both connect through `tessel.network`, which chooses the way.
"""

from tessel.gateway.run import GatewayRun, IGatewayReactor
from tessel.gateway.settings import GATEWAY_SETTINGS, GatewaySettings
from tessel.gateway.stdio import IStdioReactor, StdioRun

__all__ = [
    "GATEWAY_SETTINGS",
    "GatewayRun",
    "GatewaySettings",
    "IGatewayReactor",
    "IStdioReactor",
    "StdioRun",
]
