/* The modes opens, tunnels, sequence, bulk and echo, and functions that all modes share. */

#include "modes.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t ENDLESS = 1ULL << 50;

struct conn *carrier;
unsigned opened, echoes, wanted;
static unsigned closed;
static int to_open;

bool all_opened(void) { return opened >= wanted; }
static bool all_closed(void) { return closed >= wanted; }
bool all_echoed(void) { return echoes >= wanted; }
static bool carrier_up(void) { return tunnel_is_up(carrier->tunnel); }
bool never(void) { return false; }

void wait_for(bool (*done)(void), const char *what)
{
    if (!run_until(done, WAIT_S))
        die("waited too long for %s", what);
}

void ready(void)
{
    puts("ready");
    fflush(stdout);
    int character;
    while ((character = getchar()) != '\n')
        if (character == EOF)
            exit(0);
}

struct conn *new_carrier(void)
{
    if (settings.way != TUNNEL)
        return NULL;
    carrier = conn_open(settings.port, true);
    tunnel_begin(carrier);
    wait_for(carrier_up, "the tunnel");
    return carrier;
}

struct stream *open_and_wait(enum role role)
{
    wanted = opened + 1;
    struct stream *stream = stream_open(carrier, role);
    wait_for(all_opened, "a stream to open");
    return stream;
}

void ask_echo(struct stream *stream)
{
    wanted = echoes + 1;
    stream_send(stream, "x", 1);
    wait_for(all_echoed, "an echo");
}

struct stream *echoing(void)
{
    struct stream *stream = open_and_wait(ECHO);
    stream_order(stream, 'E', 0);
    ask_echo(stream);
    return stream;
}

static int by_size(const void *one, const void *other)
{
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

void print_latency(int64_t *taken_ns, int count)
{
    qsort(taken_ns, count, sizeof *taken_ns, by_size);
    printf("\"count\":%d,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f", count,
           taken_ns[count / 2] / 1e6, taken_ns[(int)(count * 0.99)] / 1e6, taken_ns[count - 1] / 1e6);
}

double seconds_since(int64_t start_ns)
{
    return (now_ns() - start_ns) / 1e9;
}

/* opens */

static void open_next(void)
{
    if (to_open-- <= 0)
        return;
    struct stream *stream = stream_open(carrier, OPENER);
    if (carrier) { /* sent at once, as the device does; SOCKS and TLS have to wait */
        stream_order(stream, 'E', 0);
        stream_send(stream, "x", 1);
    }
}

void on_open(struct stream *stream)
{
    opened++;
    if (stream->role == OPENER && !carrier) {
        stream_order(stream, 'E', 0);
        stream_send(stream, "x", 1);
    }
}

void on_bytes(struct stream *stream, size_t length)
{
    if (stream->role == ECHO)
        echoes += length;
    if (stream->role != OPENER)
        return;
    stream_end(stream);
    if (!carrier)
        on_close(stream); /* no event follows after the own close */
    open_next();
}

void on_close(struct stream *stream)
{
    if (stream->role != OPENER)
        return;
    closed++;
    free(stream);
}

static void open_in_turn(int parallel, int count)
{
    to_open = count;
    wanted = closed + count;
    for (int index = 0; index < parallel; index++)
        open_next();
    if (!run_until(all_closed, 10 * WAIT_S))
        die("%u of %u were closed", closed, wanted);
}

void mode_opens(int parallel, int count)
{
    new_carrier();
    ready();
    int64_t start = now_ns();
    open_in_turn(parallel, count);
    double seconds = seconds_since(start);
    printf("{\"seconds\":%.4f,\"per_s\":%.2f}\n", seconds, count / seconds);
}

/* tunnels */

static void tunnel_next(void)
{
    if (to_open-- > 0)
        tunnel_begin(conn_open(settings.port, true));
}

void on_tunnel(struct conn *conn)
{
    if (conn == carrier)
        return;
    closed++;
    conn_close(conn);
    tunnel_next();
}

void mode_tunnels(int parallel, int count)
{
    new_carrier(); /* it stays: the first one loads code */
    ready();
    int64_t start = now_ns();
    to_open = wanted = count;
    closed = 0;
    for (int index = 0; index < parallel; index++)
        tunnel_next();
    if (!run_until(all_closed, 10 * WAIT_S))
        die("%u of %u tunnels were open", closed, wanted);
    double seconds = seconds_since(start);
    printf("{\"seconds\":%.4f,\"per_s\":%.2f}\n", seconds, count / seconds);
}

void mode_sequence(int parallel, int warm_up, int first, int rest)
{
    new_carrier();
    open_in_turn(parallel, warm_up);
    ready(); /* at the start */
    int64_t start = now_ns();
    open_in_turn(parallel, first);
    ready(); /* after each channel number was used once */
    open_in_turn(parallel, rest);
    double seconds = seconds_since(start);
    ready(); /* at the end, while the tunnel is open */
    printf("{\"seconds\":%.4f,\"per_s\":%.2f}\n", seconds, (first + rest) / seconds);
}

/* bulk */

static struct stream **bulk_streams;
static int bulk_count;
static uint64_t bulk_each;

static bool bulk_done(void)
{
    for (int index = 0; index < bulk_count; index++)
        if (bulk_streams[index]->received < bulk_each)
            return false;
    return true;
}

static void open_bulk(int streams)
{
    bulk_count = streams;
    bulk_streams = calloc(streams, sizeof *bulk_streams);
    for (int index = 0; index < streams; index++)
        bulk_streams[index] = open_and_wait(BULK);
}

void start_bulk(struct stream *stream, char direction, uint64_t nbytes)
{
    stream_order(stream, direction, nbytes);
    if (direction == 'U')
        stream_upload(stream, nbytes);
}

static void start_all_bulk(char direction, uint64_t nbytes)
{
    for (int index = 0; index < bulk_count; index++)
        start_bulk(bulk_streams[index], direction, nbytes);
}

void mode_bulk(char direction, int streams, uint64_t nbytes)
{
    new_carrier();
    open_bulk(streams);
    ready();
    int64_t start = now_ns();
    uint64_t each = nbytes / streams;
    start_all_bulk(direction, each);
    bulk_each = direction == 'D' ? each : 1; /* one byte answers an upload */
    if (!run_until(bulk_done, 5 * WAIT_S))
        die("the transfer did not finish in time");
    double seconds = seconds_since(start);
    printf("{\"seconds\":%.4f,\"bytes\":%llu,\"credit\":%s}\n", seconds,
           (unsigned long long)each * streams,
           carrier && tunnel_has_credit(carrier->tunnel) ? "true" : "false");
}

/* echo */

static uint64_t bulk_received(void)
{
    uint64_t nbytes = 0;
    for (int index = 0; index < bulk_count; index++)
        nbytes += bulk_streams[index]->received;
    return nbytes;
}

void mode_echo(int count, double seconds, char direction, int streams)
{
    int64_t *taken_ns = calloc(count, sizeof *taken_ns);
    new_carrier();
    open_bulk(streams);
    struct stream *stream = echoing();
    start_all_bulk(direction, ENDLESS);
    if (streams)
        run_until(never, 0.5); /* let the buffers fill */
    ready();
    uint64_t before = bulk_received();
    int64_t start = now_ns();
    int done = 0;
    while (done < count && seconds_since(start) < seconds) {
        int64_t sent = now_ns();
        ask_echo(stream);
        taken_ns[done++] = now_ns() - sent;
    }
    double took = seconds_since(start);
    printf("{");
    print_latency(taken_ns, done);
    printf(",\"bulk_bytes\":%llu,\"seconds\":%.4f}\n", (unsigned long long)(bulk_received() - before), took);
}
