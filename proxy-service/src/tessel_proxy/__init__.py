"""The multiplexing proxy: authenticates devices, opens connections for them, relays.

    service     what is joined to what               front/         the port, TLS, load balancers
    session     a device's tunnel                    auth/          whose is a token?
    outbound    a substream and its target           egress/        may this target be dialled?
    record      what either did, in the end          targets/       look up, dial, TLS, sockets
    config      every setting                        limits/        how much of everything
                                                     monitoring/    what operators are told
                                                     certificates/  `make-cert`

What stands beside session and outbound in this folder is a part of theirs.
"""
