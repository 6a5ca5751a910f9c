"""One substream of a device and its connection to a target: states, backpressure, timeouts."""
