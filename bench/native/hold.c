/* Streams and tunnels that are held, idle or stalled. */

#include "modes.h"

#include <stdlib.h>

#define STALL_SETTLES_S 1.0
#define STALLED_WAIT_S 3.0 /* for others beside a stalled one: they may never get on */
enum { OPENING_AT_ONCE = 16 };

static struct stream *watched; /* bulk that is waited for */
static uint64_t watched_until;

static bool watched_done(void) { return watched->received >= watched_until; }

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

/* Bytes per second that a stream moves; of an upload only its end is seen. */
static double moved_per_s(struct stream *stream, char direction, uint64_t bytes, double patience_s)
{
    int64_t start = now_ns();
    watched = stream;
    watched_until = direction == 'D' ? bytes : 1;
    start_bulk(stream, direction, bytes);
    bool finished = run_until(watched_done, patience_s);
    uint64_t moved = direction == 'D' ? stream->received : finished ? bytes : 0;
    return moved / seconds_since(start);
}

void mode_stall(char direction, uint64_t stalled_bytes, uint64_t others_bytes)
{
    new_carrier();
    /* opened before: a tunnel without credit opens nothing more when it stalls */
    struct stream *alone = open_and_wait(BULK), *beside = open_and_wait(BULK);
    struct stream *stalled = open_and_wait(BULK);
    double alone_per_s = moved_per_s(alone, direction, others_bytes, WAIT_S);
    ready();
    stream_order(stalled, direction == 'D' ? 'D' : 'N', stalled_bytes);
    if (direction == 'D')
        stream_stall(stalled);
    else
        stream_upload(stalled, stalled_bytes);
    run_until(never, STALL_SETTLES_S);
    double beside_per_s = moved_per_s(beside, direction, others_bytes, STALLED_WAIT_S);
    ready(); /* the server with the stalled one still there */
    printf("{\"alone_per_s\":%.0f,\"beside_per_s\":%.0f}\n", alone_per_s, beside_per_s);
}
