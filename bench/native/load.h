/* The client that puts load on a contender: connections, streams over them, and modes that use the
   streams. It needs little CPU time: one thread, epoll, OpenSSL, one system call per piece. Bytes are
   counted and not inspected. */

#ifndef LOAD_H
#define LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum way {
    DIRECT, /* TCP to the site, or to a forwarder without TLS */
    SOCKS,  /* SOCKS 5, as OpenSSH -D speaks it */
    TLS,    /* one TLS connection per stream, to a forwarder with a fixed target */
    TUNNEL, /* substreams of a tunnel, docs/wire.md */
};

struct settings {
    enum way way;
    uint16_t port, site_port;
    int addresses;        /* number of the site's addresses, from 127.0.0.1 on */
    const char *token;
    const char *features; /* of the hello, as JSON strings: "reuse/1","credit/1" */
    bool credit;          /* credit/1 is one of the features */
    size_t piece;         /* bytes per data message of a transfer */
};

extern struct settings settings;

enum {
    MAX_PIECE = 65532,
    BULK_PIECE = 65531, /* as the device: with its header it fills four TLS records */
    BULK_ROOM = 5 + MAX_PIECE,
    ORDER = 9,
};

struct buffer {
    uint8_t *at;
    size_t length, room;
};

void buffer_add(struct buffer *buffer, const void *data, size_t length);

enum role { ECHO, BULK, STALLED, OPENER };

/* One stream to the site, over a connection of its own or a tunnel. */
struct stream {
    struct conn *conn;
    struct stream *next_upload; /* ring of streams with bytes to send */
    uint16_t channel;
    enum role role;
    bool open, ended, closed;   /* connected to the site; the site ended; closed */
    bool end_sent;
    uint64_t to_send;           /* of a transfer */
    uint64_t received;
    int64_t credit;             /* bytes that may be sent; unlimited without credit/1 */
    int64_t window, ungranted;  /* for received bytes */
    int64_t started_ns;         /* for the caller */
};

/* One connection, with one stream, or with a tunnel and its streams. */
struct conn {
    int fd;
    enum { CONNECTING, SECURING, GREETING, ASKING, UP, LOST } state;
    SSL *ssl;
    struct stream *only;
    struct tunnel *tunnel;
    struct buffer out;           /* small messages, sent before transfers */
    struct buffer leaving;       /* the part of them that is being written */
    struct buffer unsent;        /* TLS records that the socket did not accept yet */
    const uint8_t *rest;        /* bytes that are being written */
    size_t rest_length;
    uint8_t *bulk;              /* buffer for the frames of a transfer */
    struct stream *uploads;     /* the stream in the ring that sends next */
    uint8_t reply[16];          /* of SOCKS */
    int replied;
    uint32_t interest;          /* events that epoll watches for */
};

/* conn.c */
void loop_begin(void);
struct conn *conn_open(uint16_t port, bool tls);
void conn_flush(struct conn *conn);
void conn_close(struct conn *conn);
void conn_stop_reading(struct conn *conn);
/* Runs until `done` returns true; returns false if that takes longer than `seconds`. */
bool run_until(bool (*done)(void), double seconds);
int64_t now_ns(void);
void die(const char *format, ...);

/* tunnel.c */
struct tunnel *tunnel_begin(struct conn *conn);
bool tunnel_is_up(const struct tunnel *tunnel);
bool tunnel_has_credit(const struct tunnel *tunnel);
unsigned tunnel_open_channels(const struct tunnel *tunnel);
void tunnel_received(struct tunnel *tunnel, const uint8_t *data, size_t length);
void tunnel_open(struct tunnel *tunnel, struct stream *stream, const char *host);
void tunnel_send(struct stream *stream, const void *data, size_t length);
void tunnel_end(struct stream *stream);
void tunnel_give(struct stream *stream, size_t nbytes);
void tunnel_free(struct tunnel *tunnel);
size_t tunnel_bulk(struct conn *conn);

/* stream.c */
/* `carrier`: a tunnel's connection, else NULL. */
struct stream *stream_open(struct conn *carrier, enum role role);
void stream_order(struct stream *stream, char letter, uint64_t count);
void stream_send(struct stream *stream, const void *data, size_t length);
void stream_upload(struct stream *stream, uint64_t nbytes);
void stream_end(struct stream *stream);
void stream_stall(struct stream *stream);
void conn_is_up(struct conn *conn);
void conn_received(struct conn *conn, const uint8_t *data, size_t length);
void conn_ended(struct conn *conn);
size_t conn_next_bulk(struct conn *conn);

/* modes.c and hold.c: reactions to events, and the modes of the command line */
void on_tunnel(struct conn *conn);
void on_open(struct stream *stream);
void on_bytes(struct stream *stream, size_t length);
void on_close(struct stream *stream);
void mode_bulk(char direction, int streams, uint64_t nbytes);
void mode_opens(int parallel, int count);
void mode_tunnels(int parallel, int count);
void mode_sequence(int parallel, int warm_up, int first, int rest);
void mode_echo(int count, double seconds, char direction, int bulk_streams);
void mode_idle(int tunnels, int substreams, int samples);
void mode_hold(int tunnels, double seconds);
void mode_trickle(int tunnels, int seconds);
void mode_stall(char direction, uint64_t stalled_bytes, uint64_t others_bytes);

#endif
