/* Drives one tunnel with hostile bytes of a proxy and random calls of a program.
 *
 * The input is a list of steps: a byte that chooses the step, then what it needs. Memory errors are
 * found by the sanitizers; what the library promises beyond that is checked here.
 *
 *     cc -g -O1 -fsanitize=address,undefined -DSTANDALONE -I../src fuzz.c ../src/streamplex.c
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -I../src fuzz.c ../src/streamplex.c
 */
#include "streamplex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAMS 4
#define OUTPUT_BYTES 600
#define WINDOW 300

#define CHECK(condition)                                            \
    do {                                                            \
        if (!(condition)) {                                         \
            fprintf(stderr, "%d: not true: %s\n", __LINE__, #condition); \
            abort();                                                \
        }                                                           \
    } while (0)

struct run {
    spx_tunnel tunnel;
    spx_stream table[STREAMS];
    uint8_t output[OUTPUT_BYTES];
    unsigned features;
    uint32_t held[65536 / 2]; /* by number / 2: bytes delivered and not consumed */
};

static void check_event(struct run *run, const spx_event *event, const uint8_t *bytes, size_t size)
{
    CHECK(event->kind >= SPX_NOTHING && event->kind <= SPX_FAULT);
    CHECK(event->text && strlen(event->text) < SPX_TEXT_BYTES);
    CHECK(event->after_ms >= -1);
    if (event->kind == SPX_FAULT)
        CHECK(event->stream == 0 && *event->text);
    if (event->kind == SPX_ACCEPTED)
        run->features = event->features;
    if (event->kind == SPX_CLOSED)
        CHECK(!spx_is_open(&run->tunnel, event->stream));
    if (event->kind != SPX_DATA)
        return;
    CHECK(spx_is_open(&run->tunnel, event->stream));
    CHECK(event->size > 0 && event->data >= bytes && event->data + event->size <= bytes + size);
    run->held[event->stream / 2] += (uint32_t)event->size;
    if (run->features & SPX_CREDIT)
        CHECK(run->held[event->stream / 2] <= WINDOW); /* never more than was granted */
}

static void receive(struct run *run, const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        spx_event event;
        size_t consumed = spx_receive(&run->tunnel, bytes + at, size - at, &event);
        CHECK(consumed > 0 && consumed <= size - at);
        check_event(run, &event, bytes + at, size - at);
        at += consumed;
    }
}

/* What is sent consists of whole frames, whatever the proxy sent. */
static void check_output(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        CHECK(size - at > SPX_HEADER_BYTES && bytes[at + 4] <= 1);
        at += 2 + (size_t)(bytes[at] << 8 | bytes[at + 1]);
        CHECK(at <= size);
    }
}

static void send_all(struct run *run)
{
    size_t size;
    const uint8_t *bytes = spx_output(&run->tunnel, &size);
    CHECK(size <= OUTPUT_BYTES);
    check_output(bytes, size);
    spx_sent(&run->tunnel, size);
}

static void consume(struct run *run, uint16_t stream, uint32_t size)
{
    uint32_t *held = &run->held[stream / 2];
    if (!spx_is_open(&run->tunnel, stream))
        *held = 0;
    if (size > *held)
        size = *held;
    *held -= size;
    CHECK(!spx_consumed(&run->tunnel, stream, size));
}

static void call(struct run *run, uint8_t what, uint16_t stream, uint8_t value)
{
    static const uint8_t BYTES[256];
    int32_t opened;
    switch (what) {
    case 0:
        opened = spx_connect(&run->tunnel, value & 1 ? SPX_TLS : SPX_NET, "a\"b", 80);
        if (opened > 0)
            run->held[opened / 2] = 0;
        break;
    case 1: CHECK(spx_send(&run->tunnel, stream, BYTES, value) <= (int32_t)value); break;
    case 2: spx_end(&run->tunnel, stream); break;
    case 3: spx_reset(&run->tunnel, stream); break;
    case 4: spx_abort(&run->tunnel, stream, "broken"); break;
    case 5: consume(run, stream, value); break;
    case 6: spx_idle_timeout(&run->tunnel, stream, value); break;
    case 7: spx_ping(&run->tunnel); break;
    default: send_all(run); break;
    }
    CHECK(spx_open_count(&run->tunnel) <= STREAMS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run run;
    size_t at = 1;
    memset(&run, 0, sizeof run);
    if (size < 2)
        return 0;
    CHECK(!spx_init(&run.tunnel, run.table, STREAMS, run.output, OUTPUT_BYTES));
    spx_start(&run.tunnel, "token", data[0] & 1 ? "name" : NULL,
              data[0] & 2 ? SPX_ALL_FEATURES : data[0] & 4 ? SPX_CREDIT : 0, WINDOW);
    while (at + 1 < size) {
        uint8_t step = data[at], value = data[at + 1];
        at += 2;
        if (step & 0x80) {
            call(&run, step & 0x0f, (uint16_t)(2 + (step >> 4 & 3) * 2), value);
        } else { /* a copy of its own, so that reading beyond its end is noticed */
            size_t piece = value < size - at ? value : size - at;
            uint8_t *copy = malloc(piece ? piece : 1);
            CHECK(copy);
            memcpy(copy, data + at, piece);
            receive(&run, copy, piece);
            free(copy);
            at += piece;
        }
    }
    send_all(&run);
    return 0;
}

#ifdef STANDALONE
/* For compilers without libFuzzer: random conversations made of whole and damaged frames. */
#include <time.h>

static uint64_t seed;

static uint32_t dice(uint32_t sides)
{
    seed ^= seed << 13; /* xorshift64: repeatable everywhere */
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % sides;
}

static const char *const TEXTS[] = {
    "{\"type\":\"message\",\"object\":{\"authed\":true,\"features\":[\"credit/1\",\"ping/1\",\"goaway/1\","
    "\"reuse/1\"],\"window\":500}}",
    "{\"type\":\"message\",\"object\":{\"authed\":false,\"reason\":\"refused\",\"message\":\"no \\u00e9\"}}",
    "{\"type\":\"ping\",\"id\":\"\\ud834\\udd1e\\n\"}", "{\"type\":\"ping\",\"id\":-12}",
    "{\"type\":\"goaway\",\"after_ms\":20}", "{\"type\":\"stream\",\"sock\":1}",
    "{\"event\":\"end\"}", "{\"event\":\"error\",\"message\":\"connect ECONNREFUSED\"}",
    "{\"event\":\"custom\",\"emitArgs\":[\"connect\"]}", "{\"event\":\"custom\",\"emitArgs\":[\"close\"]}",
    "{\"event\":\"credit\",\"bytes\":100}", "{\"event\":\"reset\"}", "{\"x\":[1e5,{\"y\":[null,true]}]}",
};
#define COUNT_OF_TEXTS (sizeof TEXTS / sizeof *TEXTS)

static size_t frame(uint8_t *to, uint32_t channel, uint8_t type, const char *text, size_t size)
{
    to[0] = 0; /* the piece: its step, its size, then the frame */
    to[1] = (uint8_t)(size + 5);
    to[2] = 0;
    to[3] = (uint8_t)(size + 3);
    to[4] = 0;
    to[5] = (uint8_t)channel;
    to[6] = type;
    if (text)
        memcpy(to + 7, text, size);
    else
        memset(to + 7, 'x', size);
    return size + 7;
}

static size_t random_frame(uint8_t *to)
{
    size_t size;
    uint32_t channel = 2 + dice(4) * 2;
    if (dice(3)) {
        size = frame(to, channel, 0, NULL, 1 + dice(90));
    } else {
        const char *text = TEXTS[dice(COUNT_OF_TEXTS)];
        size = frame(to, strstr(text, "\"type\"") ? 0 : channel, 1, text, strlen(text));
    }
    if (!dice(40))
        to[2 + dice((uint32_t)size - 2)] = (uint8_t)dice(256);
    return size;
}

static size_t random_call(uint8_t *to, uint32_t what)
{
    to[0] = (uint8_t)(0x80 | dice(4) << 4 | what);
    to[1] = (uint8_t)dice(256);
    return 2;
}

/* Most conversations begin well, so that not all of them end at their first frame. */
static size_t random_input(uint8_t *to, size_t room)
{
    size_t at = 0, i;
    to[at++] = (uint8_t)(dice(8) ? 2 : dice(8));
    if (dice(8)) {
        at += frame(to + at, 0, 1, TEXTS[0], strlen(TEXTS[0]));
        for (i = 0; i < STREAMS; i++) {
            at += random_call(to + at, 0);
            at += random_call(to + at, 8);
        }
    }
    while (at + 300 < room)
        at += dice(3) ? random_frame(to + at) : random_call(to + at, dice(16));
    return at;
}

int main(int count, char **arguments)
{
    static uint8_t input[4000];
    unsigned long seconds = count > 1 ? strtoul(arguments[1], NULL, 10) : 5, runs = 0;
    uint64_t first = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    time_t end = time(NULL) + (time_t)seconds;
    for (; time(NULL) < end; runs++) {
        seed = (first + runs) * 0x9e3779b97f4a7c15ull;
        memset(input, 0, sizeof input);
        LLVMFuzzerTestOneInput(input, random_input(input, sizeof input));
    }
    printf("%lu random conversations, none broke a promise\n", runs);
    return 0;
}
#endif
