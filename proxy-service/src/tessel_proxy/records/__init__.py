"""How tunnels and substreams ended: error codes, counters and closing log lines."""
