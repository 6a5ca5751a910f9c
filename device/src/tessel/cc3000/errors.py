"""What goes wrong below the chip's sockets; `FrameError` is the base of what octets do wrong."""


class FrameError(ValueError):
    """Octets that no CC3000 and no host of one would send: noise, or a wrong wire."""
