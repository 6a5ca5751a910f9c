"""A program that does TLS with its target itself, over the tunnel: the proxy cannot read it."""

import sys

import tls
import tunneled  # noqa: F401
import socket

HOST, PORT, AUTHORITY = sys.argv[1], int(sys.argv[2]), sys.argv[3]

context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
with open(AUTHORITY, "rb") as file:
    context.load_verify_locations(file.read())
plain = socket.socket()
plain.connect(socket.getaddrinfo(HOST, PORT)[0][-1])
secured = context.wrap_socket(plain, server_hostname=HOST)
secured.write(b"a secret")
print(secured.read(8))
secured.close()
