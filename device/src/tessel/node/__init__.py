"""What programs import, in the Node manner: events, stream, timers, dns, net, dgram, tls, http,
https, wifi.
"""
