"""The multiplexing proxy: it authenticates devices, opens connections for them and relays bytes.

    startup/       settings, composition, listeners, reload
    monitoring/    health, readiness and metrics over HTTP
    front/         TLS, the PROXY protocol, load balancers
    tunnel/        one device's tunnel and its states
    relay/         one substream and its target
    targets/       look up, dial, TLS to targets
    egress/        which addresses may be dialed
    limits/        how much of everything
    auth/          which account a token belongs to
    records/       how tunnels and substreams ended: error codes, counters, log lines
    files/         files that are read again while the proxy serves
    certificates/  the `make-cert` command

A room imports only rooms below it (`.importlinter`).
"""
