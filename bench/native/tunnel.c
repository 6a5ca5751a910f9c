/* The device's end of a tunnel, reduced to the parts that the bench needs. */

#define _GNU_SOURCE
#include "load.h"

#include <stdlib.h>
#include <string.h>

enum {
    HEADER = 5,      /* length: uint16, channel: uint16, type: uint8 */
    DATA = 0,
    JSON = 1,
    CHANNELS = 65536,
    MAX_BODY = 65535,
    FIRST_WINDOW = 65536,
    MAX_WINDOW = 2 << 20,
};

struct tunnel {
    struct conn *conn;
    struct stream *streams[CHANNELS];
    uint16_t unused[CHANNELS]; /* a ring of channel numbers to reuse, longest unused first */
    unsigned unused_from, unused_count;
    unsigned next, open;
    bool up, credit, reuse;
    int64_t peer_window;
    uint8_t header[HEADER];
    size_t header_got;
    size_t body_left;          /* of the frame that is being read */
    struct buffer text;         /* its JSON, as far as received */
};

static void put_header(uint8_t *at, unsigned channel, unsigned type, size_t length)
{
    size_t body = length + 3;
    at[0] = body >> 8;
    at[1] = body;
    at[2] = channel >> 8;
    at[3] = channel;
    at[4] = type;
}

static void send_text(struct tunnel *tunnel, unsigned channel, const char *text)
{
    uint8_t header[HEADER];
    put_header(header, channel, JSON, strlen(text));
    buffer_add(&tunnel->conn->out, header, HEADER);
    buffer_add(&tunnel->conn->out, text, strlen(text));
}

struct tunnel *tunnel_begin(struct conn *conn)
{
    char hello[1024];
    struct tunnel *tunnel = calloc(1, sizeof *tunnel);
    tunnel->conn = conn;
    tunnel->next = 2;
    conn->tunnel = tunnel;
    snprintf(hello, sizeof hello,
             "{\"type\":\"message\",\"object\":{\"token\":\"%s\",\"features\":[%s],\"window\":%d}}",
             settings.token, settings.features, FIRST_WINDOW);
    send_text(tunnel, 0, hello);
    return tunnel;
}

bool tunnel_is_up(const struct tunnel *tunnel) { return tunnel->up; }
bool tunnel_has_credit(const struct tunnel *tunnel) { return tunnel->credit; }
unsigned tunnel_open_channels(const struct tunnel *tunnel) { return tunnel->open; }

void tunnel_free(struct tunnel *tunnel)
{
    free(tunnel->text.at);
    free(tunnel);
}

static unsigned free_channel(struct tunnel *tunnel)
{
    /* new numbers first, as the device does */
    if (tunnel->next < CHANNELS) {
        unsigned channel = tunnel->next;
        tunnel->next += 2;
        return channel;
    }
    if (!tunnel->unused_count)
        die("no channel is free");
    unsigned channel = tunnel->unused[tunnel->unused_from];
    tunnel->unused_from = (tunnel->unused_from + 1) % CHANNELS;
    tunnel->unused_count--;
    return channel;
}

void tunnel_open(struct tunnel *tunnel, struct stream *stream, const char *host)
{
    char text[256];
    stream->channel = free_channel(tunnel);
    stream->credit = tunnel->credit ? tunnel->peer_window : INT64_MAX;
    stream->window = FIRST_WINDOW;
    tunnel->streams[stream->channel] = stream;
    tunnel->open++;
    snprintf(text, sizeof text, "{\"type\":\"stream\",\"sock\":%u,\"name\":\"net\"}", stream->channel);
    send_text(tunnel, 0, text);
    snprintf(text, sizeof text, "{\"event\":\"custom\",\"emitArgs\":[\"_pls_connect\",%u,\"%s\"]}",
             settings.site_port, host);
    send_text(tunnel, stream->channel, text);
    conn_flush(tunnel->conn);
}

void tunnel_send(struct stream *stream, const void *data, size_t length)
{
    uint8_t header[HEADER];
    put_header(header, stream->channel, DATA, length);
    buffer_add(&stream->conn->out, header, HEADER);
    buffer_add(&stream->conn->out, data, length);
    stream->credit -= tunnel_has_credit(stream->conn->tunnel) ? (int64_t)length : 0;
}

void tunnel_end(struct stream *stream)
{
    if (!stream->end_sent)
        send_text(stream->conn->tunnel, stream->channel, "{\"event\":\"end\"}");
    stream->end_sent = true;
}

/* Returns the next stream in the ring that may send; the ring stays at this one. */
static struct stream *next_upload(struct conn *conn)
{
    struct stream *before = conn->uploads, *first = before->next_upload, *stream = first;
    do {
        if (stream->to_send && stream->credit > 0) {
            conn->uploads = stream;
            return stream;
        }
        stream = stream->next_upload;
    } while (stream != first);
    return NULL;
}

static size_t bulk_frame(struct tunnel *tunnel, struct stream *stream, uint8_t *at)
{
    uint64_t length = settings.piece;
    if (length > stream->to_send)
        length = stream->to_send;
    if (length > (uint64_t)stream->credit)
        length = stream->credit;
    stream->to_send -= length;
    if (tunnel->credit)
        stream->credit -= length;
    put_header(at, stream->channel, DATA, length);
    return HEADER + length;
}

/* Fills the buffer with frames: small ones share a TLS record. */
size_t tunnel_bulk(struct conn *conn)
{
    size_t filled = 0;
    struct stream *stream;
    while (filled + HEADER + settings.piece <= BULK_ROOM && (stream = next_upload(conn)))
        filled += bulk_frame(conn->tunnel, stream, conn->bulk + filled);
    return filled;
}

/* Grants credit when half a window is used, and doubles the window each time, up to MAX_WINDOW. */
void tunnel_give(struct stream *stream, size_t nbytes)
{
    char text[64];
    if (!stream->conn->tunnel->credit || stream->role == STALLED || stream->ended)
        return;
    stream->ungranted += nbytes;
    if (stream->ungranted < stream->window / 2)
        return;
    int64_t grown = stream->window < MAX_WINDOW ? stream->window : 0;
    stream->window += grown;
    snprintf(text, sizeof text, "{\"event\":\"credit\",\"bytes\":%lld}",
             (long long)(stream->ungranted + grown));
    stream->ungranted = 0;
    send_text(stream->conn->tunnel, stream->channel, text);
}

static long long number_after(const char *text, const char *key)
{
    const char *found = strstr(text, key);
    return found ? atoll(found + strlen(key)) : -1;
}

static void control_message(struct tunnel *tunnel, char *text)
{
    if (strstr(text, "\"authed\":true")) {
        tunnel->up = true;
        tunnel->credit = settings.credit && strstr(text, "\"credit/1\"");
        tunnel->peer_window = number_after(text, "\"window\":");
        on_tunnel(tunnel->conn);
    } else if (strstr(text, "\"ping\"")) {
        *(strstr(text, "\"ping\"") + 2) = 'o';
        send_text(tunnel, 0, text);
    } else if (!strstr(text, "\"goaway\"") && !strstr(text, "\"pong\""))
        die("unexpected control message: %s", text);
}

static void finish(struct tunnel *tunnel, struct stream *stream)
{
    tunnel_end(stream);
    tunnel->streams[stream->channel] = NULL;
    tunnel->open--;
    tunnel->unused[(tunnel->unused_from + tunnel->unused_count++) % CHANNELS] = stream->channel;
    stream->closed = true;
    on_close(stream);
}

static void stream_message(struct tunnel *tunnel, struct stream *stream, const char *text)
{
    if (strstr(text, "\"credit\"")) {
        stream->credit += number_after(text, "\"bytes\":");
        conn_flush(tunnel->conn);
    } else if (strstr(text, "\"connect\"")) {
        stream->open = true;
        on_open(stream);
    } else if (strstr(text, "\"end\""))
        stream->ended = true;
    else if (strstr(text, "\"close\""))
        finish(tunnel, stream);
    else if (strstr(text, "\"error\""))
        die("channel %u: %s", stream->channel, text);
}

static void text_received(struct tunnel *tunnel, unsigned channel)
{
    buffer_add(&tunnel->text, "", 1);
    char *text = (char *)tunnel->text.at;
    if (channel == 0)
        control_message(tunnel, text);
    else if (tunnel->streams[channel])
        stream_message(tunnel, tunnel->streams[channel], text);
    tunnel->text.length = 0;
}

static void body(struct tunnel *tunnel, const uint8_t *data, size_t length)
{
    unsigned channel = tunnel->header[2] << 8 | tunnel->header[3];
    tunnel->body_left -= length;
    if (tunnel->header[4] == JSON) {
        buffer_add(&tunnel->text, data, length);
        if (!tunnel->body_left)
            text_received(tunnel, channel);
        return;
    }
    struct stream *stream = tunnel->streams[channel];
    if (!stream)
        return; /* it was sent before the close arrived */
    stream->received += length;
    tunnel_give(stream, length);
    on_bytes(stream, length);
}

void tunnel_received(struct tunnel *tunnel, const uint8_t *data, size_t length)
{
    while (length > 0) {
        if (tunnel->header_got < HEADER) {
            tunnel->header[tunnel->header_got++] = *data++;
            length--;
            if (tunnel->header_got == HEADER)
                tunnel->body_left = (tunnel->header[0] << 8 | tunnel->header[1]) - 3;
        } else {
            size_t part = length < tunnel->body_left ? length : tunnel->body_left;
            body(tunnel, data, part);
            data += part;
            length -= part;
        }
        if (tunnel->header_got == HEADER && !tunnel->body_left)
            tunnel->header_got = 0;
    }
}
