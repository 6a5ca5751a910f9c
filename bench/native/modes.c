/* What is done with streams, and what is told of it. */

#include "load.h"

#include <stdlib.h>
#include <string.h>

static const double WAIT_S = 60.0;       /* for anything that is to come to its end */
static const double STALL_SETTLES_S = 1.5;
static const double STALLED_WAIT_S = 5.0; /* for others beside a stalled one: they may never get on */
static const uint64_t ENDLESS = 1ULL << 50;
enum { OPENING_AT_ONCE = 16 };

static struct conn *carrier;             /* the tunnel for new streams; NULL: they go alone */
static unsigned opened, closed, echoes;  /* streams, streams, octets that came back */
static unsigned wanted;                  /* of what is waited for */
static int to_open;
static struct stream *watched;           /* bulk that is waited for */
static uint64_t watched_until;

static bool all_opened(void) { return opened >= wanted; }
static bool all_closed(void) { return closed >= wanted; }
static bool all_echoed(void) { return echoes >= wanted; }
static bool carrier_up(void) { return tunnel_is_up(carrier->tunnel); }
static bool watched_done(void) { return watched->received >= watched_until; }
static bool never(void) { return false; }

static void wait_for(bool (*done)(void), const char *what)
{
    if (!run_until(done, WAIT_S))
        die("waited too long for %s", what);
}

static void ready(void)
{
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF)
        exit(0);
}

static struct conn *new_carrier(void)
{
    if (settings.way != TUNNEL)
        return NULL;
    carrier = conn_open(settings.port, true);
    tunnel_begin(carrier);
    wait_for(carrier_up, "the tunnel");
    return carrier;
}

static struct stream *open_and_wait(enum role role)
{
    wanted = opened + 1;
    struct stream *stream = stream_open(carrier, role);
    wait_for(all_opened, "a stream to open");
    return stream;
}

static void ask_echo(struct stream *stream)
{
    wanted = echoes + 1;
    stream_send(stream, "x", 1);
    wait_for(all_echoed, "an echo");
}

/* An opened stream that echoes, and has done so once. */
static struct stream *echoing(void)
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

static void print_latency(int64_t *taken_ns, int count)
{
    qsort(taken_ns, count, sizeof *taken_ns, by_size);
    printf("\"count\":%d,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f", count,
           taken_ns[count / 2] / 1e6, taken_ns[(int)(count * 0.99)] / 1e6, taken_ns[count - 1] / 1e6);
}

static double seconds_since(int64_t start_ns)
{
    return (now_ns() - start_ns) / 1e9;
}

/* opens */

static void open_next(void)
{
    if (to_open-- <= 0)
        return;
    struct stream *stream = stream_open(carrier, OPENER);
    if (carrier) { /* one flight, as the device does; SOCKS and TLS have to wait */
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

void on_octets(struct stream *stream, size_t length)
{
    if (stream->role == ECHO)
        echoes += length;
    if (stream->role != OPENER)
        return;
    stream_end(stream);
    if (!carrier)
        on_close(stream); /* whoever closes hears nothing more */
    open_next();
}

void on_close(struct stream *stream)
{
    if (stream->role != OPENER)
        return;
    closed++;
    free(stream);
}

void mode_opens(int parallel, int count)
{
    new_carrier();
    ready();
    int64_t start = now_ns();
    to_open = count;
    wanted = count;
    for (int index = 0; index < parallel; index++)
        open_next();
    if (!run_until(all_closed, 10 * WAIT_S))
        die("%u of %d were closed", closed, count);
    double seconds = seconds_since(start);
    printf("{\"seconds\":%.4f,\"per_s\":%.2f}\n", seconds, count / seconds);
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

static void start_bulk(struct stream *stream, char direction, uint64_t octets)
{
    stream_order(stream, direction, octets);
    if (direction == 'U')
        stream_upload(stream, octets);
}

static void start_all_bulk(char direction, uint64_t octets)
{
    for (int index = 0; index < bulk_count; index++)
        start_bulk(bulk_streams[index], direction, octets);
}

void mode_bulk(char direction, int streams, uint64_t octets)
{
    new_carrier();
    open_bulk(streams);
    ready();
    int64_t start = now_ns();
    uint64_t each = octets / streams;
    start_all_bulk(direction, each);
    bulk_each = direction == 'D' ? each : 1; /* one octet answers an upload */
    if (!run_until(bulk_done, 5 * WAIT_S))
        die("not all octets came");
    double seconds = seconds_since(start);
    printf("{\"seconds\":%.4f,\"octets\":%llu,\"credit\":%s}\n", seconds,
           (unsigned long long)each * streams,
           carrier && tunnel_has_credit(carrier->tunnel) ? "true" : "false");
}

/* echo */

static uint64_t bulk_received(void)
{
    uint64_t octets = 0;
    for (int index = 0; index < bulk_count; index++)
        octets += bulk_streams[index]->received;
    return octets;
}

void mode_echo(int count, double seconds, char direction, int streams)
{
    int64_t *taken_ns = calloc(count, sizeof *taken_ns);
    new_carrier();
    open_bulk(streams);
    struct stream *stream = echoing();
    start_all_bulk(direction, ENDLESS);
    if (streams)
        run_until(never, 0.5); /* buffers fill */
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
    printf(",\"bulk_octets\":%llu,\"seconds\":%.4f}\n", (unsigned long long)(bulk_received() - before), took);
}

/* idle */

static void open_many(struct stream **streams, int count)
{
    for (int from = 0; from < count; from += OPENING_AT_ONCE) {
        int until = from + OPENING_AT_ONCE < count ? from + OPENING_AT_ONCE : count;
        wanted = opened + until - from;
        for (int index = from; index < until; index++)
            streams[index] = stream_open(carrier, ECHO);
        wait_for(all_opened, "streams to open");
        wanted = echoes + until - from;
        for (int index = from; index < until; index++) {
            stream_order(streams[index], 'E', 0);
            stream_send(streams[index], "x", 1);
        }
        wait_for(all_echoed, "echoes");
    }
}

void mode_idle(int tunnels, int substreams, int samples)
{
    int total = tunnels * substreams;
    struct stream **streams = calloc(total + 1, sizeof *streams);
    struct conn **carriers = calloc(tunnels, sizeof *carriers);
    int64_t *taken_ns = calloc(samples, sizeof *taken_ns);
    ready(); /* the server as it is before */
    for (int index = 0; index < tunnels; index++) {
        carriers[index] = new_carrier();
        open_many(streams + index * substreams, substreams);
    }
    run_until(never, 0.5); /* what is short-lived goes */
    ready(); /* the server with all of them */
    for (int sample = 0; sample < samples; sample++) {
        int64_t sent = now_ns();
        if (total)
            ask_echo(streams[(int64_t)sample * total / samples]);
        else {
            carrier = carriers[(int64_t)sample * tunnels / samples];
            echoing();
        }
        taken_ns[sample] = now_ns() - sent;
    }
    printf("{");
    print_latency(taken_ns, samples);
    printf("}\n");
}

/* stall */

/* Octets per second that one stream moves; of uploads the answer's coming tells the end. */
static double moved_per_s(char direction, uint64_t octets, double patience_s)
{
    watched = open_and_wait(BULK);
    int64_t start = now_ns();
    start_bulk(watched, direction, octets);
    watched_until = direction == 'D' ? octets : 1;
    bool finished = run_until(watched_done, patience_s);
    uint64_t moved = direction == 'D' ? watched->received : finished ? octets : 0;
    return moved / seconds_since(start);
}

void mode_stall(char direction, uint64_t stalled_octets, uint64_t others_octets)
{
    new_carrier();
    double alone = moved_per_s(direction, others_octets, WAIT_S);
    struct stream *stalled = open_and_wait(BULK);
    /* without credit a stalled tunnel opens nothing more: have the other one open before */
    watched = open_and_wait(BULK);
    ready();
    stream_order(stalled, direction == 'D' ? 'D' : 'N', stalled_octets);
    if (direction == 'D')
        stream_stall(stalled);
    else
        stream_upload(stalled, stalled_octets);
    run_until(never, STALL_SETTLES_S);
    int64_t start = now_ns();
    start_bulk(watched, direction, others_octets);
    watched_until = direction == 'D' ? others_octets : 1;
    bool finished = run_until(watched_done, STALLED_WAIT_S);
    uint64_t moved = direction == 'D' ? watched->received : finished ? others_octets : 0;
    printf("{\"alone_per_s\":%.0f,\"beside_per_s\":%.0f}\n", alone, moved / seconds_since(start));
    fflush(stdout);
    ready(); /* the server with the stalled one still there */
}
