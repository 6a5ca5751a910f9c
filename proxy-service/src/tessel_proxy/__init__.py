"""The multiplexing proxy: authenticates devices, opens connections for them, relays."""
