"""What a program imports: events, stream, timers, dns, net, tls, http and https in the Node manner."""
