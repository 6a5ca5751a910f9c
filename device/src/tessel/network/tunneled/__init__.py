"""Connections through the tunnel: the only place on the device that knows streamplex."""

from tessel.network.tunneled.network import TunneledNetwork

__all__ = ["TunneledNetwork"]
