/* Streams to the site: direct, by SOCKS, by TLS, or in a tunnel. */

#define _GNU_SOURCE
#include "load.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static unsigned opened;

static struct stream *of_conn(struct conn *conn, enum role role)
{
    struct stream *stream = calloc(1, sizeof *stream);
    stream->conn = conn;
    stream->role = role;
    stream->credit = INT64_MAX;
    return stream;
}

struct stream *stream_open(struct conn *carrier, enum role role)
{
    char host[16];
    snprintf(host, sizeof host, "127.0.0.%u", (1 + opened++ % settings.addresses) & 255);
    if (carrier) {
        struct stream *stream = of_conn(carrier, role);
        tunnel_open(carrier->tunnel, stream, host);
        return stream;
    }
    struct conn *conn = conn_open(settings.port, settings.way == TLS);
    struct stream *stream = of_conn(conn, role);
    conn->only = stream;
    if (settings.way == SOCKS) {
        conn->state = GREETING;
        buffer_add(&conn->out, "\5\1\0", 3);
    }
    return stream;
}

/* SOCKS 5: the reply to the greeting has 2 bytes, the reply to the request 10. */
static void socks_received(struct conn *conn, const uint8_t *data, size_t length)
{
    int wanted = conn->state == GREETING ? 2 : 10;
    if (conn->replied + (int)length > wanted)
        die("SOCKS: a reply of %zu bytes; expected %d", length, wanted);
    memcpy(conn->reply + conn->replied, data, length);
    conn->replied += length;
    if (conn->replied < wanted)
        return;
    if (conn->reply[1] != 0)
        die("SOCKS: refused with %d", conn->reply[1]);
    conn->replied = 0;
    if (conn->state == GREETING) {
        uint16_t port = htobe16(settings.site_port);
        buffer_add(&conn->out, "\5\1\0\1\177\0\0\1", 8);
        buffer_add(&conn->out, &port, 2);
        conn->state = ASKING;
    } else {
        conn->state = UP;
        conn_is_up(conn);
    }
}

void conn_is_up(struct conn *conn)
{
    if (conn->only) {
        conn->only->open = true;
        on_open(conn->only);
    }
}

void conn_received(struct conn *conn, const uint8_t *data, size_t length)
{
    if (conn->tunnel)
        tunnel_received(conn->tunnel, data, length);
    else if (conn->state == UP) {
        conn->only->received += length;
        on_bytes(conn->only, length);
    } else
        socks_received(conn, data, length);
}

void conn_ended(struct conn *conn)
{
    if (conn->tunnel)
        die("the tunnel was closed");
    struct stream *stream = conn->only;
    conn_close(conn);
    stream->ended = stream->closed = true;
    on_close(stream);
}

void stream_send(struct stream *stream, const void *data, size_t length)
{
    if (stream->conn->tunnel)
        tunnel_send(stream, data, length);
    else
        buffer_add(&stream->conn->out, data, length);
    conn_flush(stream->conn);
}

void stream_order(struct stream *stream, char letter, uint64_t count)
{
    uint8_t order[ORDER] = {letter};
    count = htobe64(count);
    memcpy(order + 1, &count, sizeof count);
    stream_send(stream, order, sizeof order);
}

/* The connection writes it in turn with other transfers. */
void stream_upload(struct stream *stream, uint64_t nbytes)
{
    struct conn *conn = stream->conn;
    if (!conn->bulk)
        conn->bulk = calloc(1, BULK_ROOM);
    stream->to_send = nbytes;
    if (conn->uploads) {
        stream->next_upload = conn->uploads->next_upload;
        conn->uploads->next_upload = stream;
    } else
        conn->uploads = stream->next_upload = stream;
    conn_flush(conn);
}

void stream_end(struct stream *stream)
{
    if (stream->conn->tunnel) {
        tunnel_end(stream);
        conn_flush(stream->conn);
    } else if (stream->conn->state != LOST)
        conn_close(stream->conn);
}

/* Stops receiving: gives no credit, or does not read. Without credit, the whole tunnel stops. */
void stream_stall(struct stream *stream)
{
    stream->role = STALLED;
    if (!stream->conn->tunnel || !tunnel_has_credit(stream->conn->tunnel))
        conn_stop_reading(stream->conn);
}

size_t conn_next_bulk(struct conn *conn)
{
    if (!conn->uploads)
        return 0;
    if (conn->tunnel)
        return tunnel_bulk(conn);
    struct stream *stream = conn->uploads;
    size_t length = stream->to_send < settings.piece ? stream->to_send : settings.piece;
    stream->to_send -= length;
    if (!stream->to_send)
        conn->uploads = NULL;
    return length;
}
