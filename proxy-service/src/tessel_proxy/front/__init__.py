"""What devices come to: the listening port, load balancers before TLS, TLS and its identity."""
