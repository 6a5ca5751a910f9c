"""Start and reload of the proxy: settings, checks, composition, listeners."""
