/* The lean client that loads whatever is measured: connections, streams over them, and what is done
   with streams. One thread, epoll, OpenSSL, a system call for a piece; bytes are counted, never
   looked at. */

#ifndef LOAD_H
#define LOAD_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum way {
    DIRECT, /* TCP to the site, or a forwarder to it without TLS */
    SOCKS,  /* SOCKS 5, as OpenSSH -D speaks it */
    TLS,    /* a TLS connection each, to a forwarder that knows the site */
    TUNNEL, /* substreams of a tunnel, docs/wire.md */
};

struct settings {
    enum way way;
    uint16_t port, site_port;
    int addresses;        /* the site's, from 127.0.0.1 on */
    const char *token;
    const char *features; /* of step 1, as JSON strings: "reuse/1","credit/1" */
    bool credit;          /* ours: it is among them */
    size_t piece;         /* bytes of a data message in bulk */
};

extern struct settings settings;

enum {
    MAX_PIECE = 65532,
    BULK_PIECE = 65531, /* as the device's: with its header it fills four TLS records */
    BULK_ROOM = 5 + MAX_PIECE,
    ORDER = 9,
};

struct bytes {
    uint8_t *at;
    size_t length, room;
};

void bytes_add(struct bytes *bytes, const void *added, size_t length);

enum role { ECHO, BULK, STALLED, OPENER };

/* One stream to the site, whatever carries it. */
struct stream {
    struct conn *conn;
    struct stream *next_upload; /* ring of those with bytes to send */
    uint16_t channel;
    enum role role;
    bool open, ended, closed;   /* the site is reached; it ended; nothing comes any more */
    bool end_sent;
    uint64_t to_send;           /* in bulk */
    uint64_t received;
    int64_t credit;             /* bytes the peer still takes; unlimited without credit/1 */
    int64_t window, ungranted;  /* towards us */
    int64_t started_ns;         /* the caller's */
};

/* One connection; it carries one stream, or a tunnel's. */
struct conn {
    int fd;
    enum { CONNECTING, SECURING, GREETING, ASKING, UP, LOST } state;
    SSL *ssl;
    struct stream *only;
    struct tunnel *tunnel;
    struct bytes out;           /* small things: they go before bulk */
    struct bytes leaving;       /* what of them is being written */
    struct bytes unsent;        /* records that the system had no room for */
    const uint8_t *rest;        /* what is being written */
    size_t rest_length;
    uint8_t *bulk;              /* room for a frame, or bytes without one */
    struct stream *uploads;     /* whose turn it is in the ring */
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
/* Runs until `done` is true or the deadline is over; false: the latter. */
bool run_until(bool (*done)(void), double seconds);
int64_t now_ns(void);
void die(const char *format, ...);

/* tunnel.c */
struct tunnel *tunnel_begin(struct conn *conn);
bool tunnel_is_up(const struct tunnel *tunnel);
bool tunnel_has_credit(const struct tunnel *tunnel);
unsigned tunnel_open_channels(const struct tunnel *tunnel);
void tunnel_received(struct tunnel *tunnel, const uint8_t *bytes, size_t length);
void tunnel_open(struct tunnel *tunnel, struct stream *stream, const char *host);
void tunnel_send(struct stream *stream, const void *bytes, size_t length);
void tunnel_end(struct stream *stream);
void tunnel_give(struct stream *stream, size_t bytes);
void tunnel_free(struct tunnel *tunnel);
size_t tunnel_bulk(struct conn *conn);

/* stream.c */
/* `carrier`: a tunnel's connection, else NULL. */
struct stream *stream_open(struct conn *carrier, enum role role);
void stream_order(struct stream *stream, char letter, uint64_t count);
void stream_send(struct stream *stream, const void *bytes, size_t length);
void stream_upload(struct stream *stream, uint64_t bytes);
void stream_end(struct stream *stream);
void stream_stall(struct stream *stream);
void conn_is_up(struct conn *conn);
void conn_received(struct conn *conn, const uint8_t *bytes, size_t length);
void conn_ended(struct conn *conn);
size_t conn_next_bulk(struct conn *conn);

/* modes.c and hold.c: what is done when something comes, and at all */
void on_open(struct stream *stream);
void on_bytes(struct stream *stream, size_t length);
void on_close(struct stream *stream);
void mode_bulk(char direction, int streams, uint64_t bytes);
void mode_opens(int parallel, int count);
void mode_sequence(int parallel, int warm_up, int first, int rest);
void mode_echo(int count, double seconds, char direction, int bulk_streams);
void mode_idle(int tunnels, int substreams, int samples);
void mode_stall(char direction, uint64_t stalled_bytes, uint64_t others_bytes);

#endif
