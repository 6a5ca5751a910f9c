"""Early data: what a device sends before its target is connected, kept until it is.

An original device sends the data of its first request before it says where to connect. The tunnel
cannot hold that data back, because the connect request follows it.
"""

from __future__ import annotations

PAUSE_BYTES = 64 * 1024
"""Bytes kept for one substream until its device is paused while the target is opened: a frame."""

TUNNEL_BYTES = 1024 * 1024
"""Bytes kept for all substreams of a tunnel: such devices do not have the memory for more."""
