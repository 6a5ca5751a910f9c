"""One device's tunnel: admission, token, states, substreams and end.

`Session` serves one tunnel. `SharedState` holds the settings and services that all tunnels use,
`TunnelRegistry` lists the open tunnels, and `Drain` ends them before the proxy stops.
"""

from tessel_proxy.tunnel.drain import Drain
from tessel_proxy.tunnel.session import Session
from tessel_proxy.tunnel.settings import TunnelSettings
from tessel_proxy.tunnel.shared_state import SharedState, TunnelRegistry
from tessel_proxy.tunnel.unanswered import UnansweredWatch

__all__ = ["Drain", "Session", "SharedState", "TunnelRegistry", "TunnelSettings", "UnansweredWatch"]
