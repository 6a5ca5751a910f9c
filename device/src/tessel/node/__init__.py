"""What programs import, in the Node manner: events, stream, timers, dns, net, tls, http, https."""
