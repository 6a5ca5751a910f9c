"""The network of the device: makes connections directly or through the tunnel to the proxy."""
