"""The binding to Twisted: a tunnel runs over any stream transport, and substreams are transports.

`TunnelProtocol` is the protocol over the connection between the two ends. Its owner implements
`ITunnelListener`. Each substream is a `Substream`, which takes any protocol of Twisted.

For TLS, below a tunnel or over a substream, use streamplex.tx.tls: over Twisted's own TLS a tunnel
that has much to send does not notice that its peer has ended TLS.
"""

from streamplex.tx.addressed import SubstreamAddress
from streamplex.tx.interface_listener import ITunnelListener
from streamplex.tx.interfaces import ISubstreamProtocol, ITakesSequences, ITakesViews
from streamplex.tx.protocol import TunnelProtocol
from streamplex.tx.substream import Substream

__all__ = [
    "ISubstreamProtocol",
    "ITakesSequences",
    "ITakesViews",
    "ITunnelListener",
    "Substream",
    "SubstreamAddress",
    "TunnelProtocol",
]
