/* A TLS connection to the proxy by mbedTLS (2.28 or 3.x) over POSIX sockets, which never blocks once
 * it is established. */
#ifndef TLS_H
#define TLS_H

#include <stddef.h>
#include <stdint.h>

typedef struct tls_connection tls_connection;

/* Connect to HOST:PORT and do the TLS handshake. The proxy's certificate has to be for `host` and
 * from an authority in the PEM file `ca_file`. Returns NULL if that fails within `timeout_ms`, and
 * writes why to `why`, which has `why_size` bytes. */
tls_connection *tls_connect(const char *host, const char *port, const char *ca_file, int timeout_ms,
                            char *why, size_t why_size);

/* Wait until bytes can be read, or until they can be written if `to_write` is 1, or until `other_fd`
 * (-1: none) can be read. Returns 0 if none of it happened within `timeout_ms` milliseconds. */
int tls_wait(tls_connection *tls, int to_write, int other_fd, int timeout_ms);

/* Read into `bytes`. Returns how many were read, 0 if none are there now, -1 if the connection ended
 * or broke. */
int tls_read(tls_connection *tls, uint8_t *bytes, size_t size);

/* Write. Returns how many bytes were written, 0 if none can be now, -1 if the connection broke. If
 * it returns 0, the next call has to begin with the same bytes. */
int tls_write(tls_connection *tls, const uint8_t *bytes, size_t size);

void tls_close(tls_connection *tls);

#endif
