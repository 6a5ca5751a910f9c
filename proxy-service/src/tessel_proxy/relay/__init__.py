"""One substream of a device and its connection to a target: states, backpressure, timeouts.

`Outbound` relays the bytes of one substream. All substreams of a tunnel share a `TunnelContext`
with the room that is left for early data and a `Reading` that chooses the size of reads.
"""

from tessel_proxy.relay.outbound import Outbound
from tessel_proxy.relay.reading import Reading
from tessel_proxy.relay.tunnel_context import TunnelContext

__all__ = ["Outbound", "Reading", "TunnelContext"]
