/* Modes that hold streams and tunnels, idle or stalled. */

#include "modes.h"

#include <stdlib.h>

#define STALL_SETTLES_S 1.0
#define STALLED_WAIT_S 3.0 /* for another stream meanwhile: it may be blocked for good */
enum { OPENING_AT_ONCE = 16 };

static struct stream *watched; /* stream whose transfer watched_done waits for */
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
    ready(); /* before the streams are opened */
    for (int index = 0; index < tunnels; index++) {
        carriers[index] = new_carrier();
        open_many(streams + index * substreams, substreams);
    }
    run_until(never, 0.5); /* let the server free temporary memory */
    ready(); /* with all streams open */
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

void mode_hold(int tunnels, double seconds)
{
    for (int index = 0; index < tunnels; index++)
        new_carrier();
    ready();
    run_until(never, seconds); /* pings are answered */
    printf("{\"seconds\":%.4f}\n", seconds);
}

/* trickle: each second, one echo on each of some tunnels */

void mode_trickle(int tunnels, int seconds)
{
    struct stream **streams = calloc(tunnels, sizeof *streams);
    for (int index = 0; index < tunnels; index++) {
        new_carrier();
        open_many(streams + index, 1);
    }
    ready();
    int64_t start = now_ns();
    for (int second = 1; second <= seconds; second++) {
        for (int index = 0; index < tunnels; index++)
            ask_echo(streams[index]);
        double rest = second - seconds_since(start);
        run_until(never, rest > 0 ? rest : 0);
    }
    printf("{}\n");
}

/* stall */

/* Returns the bytes per second of a transfer. The progress of an upload is not visible, only its end. */
static double moved_per_s(struct stream *stream, char direction, uint64_t nbytes, double patience_s)
{
    int64_t start = now_ns();
    watched = stream;
    watched_until = direction == 'D' ? nbytes : 1;
    start_bulk(stream, direction, nbytes);
    bool finished = run_until(watched_done, patience_s);
    uint64_t moved = direction == 'D' ? stream->received : finished ? nbytes : 0;
    return moved / seconds_since(start);
}

void mode_stall(char direction, uint64_t stalled_bytes, uint64_t others_bytes)
{
    new_carrier();
    /* opened first: a stalled tunnel without credit cannot open streams */
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
    ready(); /* while the stream still stalls */
    printf("{\"alone_per_s\":%.0f,\"beside_per_s\":%.0f}\n", alone_per_s, beside_per_s);
}
