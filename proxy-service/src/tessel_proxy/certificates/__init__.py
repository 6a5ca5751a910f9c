"""`tessel-proxy make-cert`: an authority, and certificates for proxies."""
