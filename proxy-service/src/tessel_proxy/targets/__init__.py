"""Host and port -> a connection to a target: look-ups, dialling, TLS, sockets."""
