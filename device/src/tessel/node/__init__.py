"""The modules that programs import, in the manner of Node.js: events, stream, timers, dns, net,
dgram, tls, http, https, wifi.
"""
